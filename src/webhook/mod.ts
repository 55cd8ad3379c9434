// Incidents for other systems, posted as they begin and end. Loaded only when it is on.
export { Webhook, type WebhookOptions } from "./webhook.ts";
