// The page a browser gets at `/`: its files.
//
// The files in static/ are served as they stand, there is no build step. They are read when they
// are first asked for, relative to this module: from the checkout, or from the compiled program,
// which embeds the folder.

/** One file of the page. */
export interface Asset {
  readonly body: string;
  /** For `Content-Type`. */
  readonly type: string;
}

const FOLDER = new URL("./static/", import.meta.url);

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

const FILES = [
  "style.css",
  "actions.css",
  "fleet_page.css",
  "car_page.css",
  "phone.css",
  "wall_page.css",
  "map_page.css",
  "icon.svg",
  "actions.js",
  "app.js",
  "audit_page.js",
  "car_lists.js",
  "car_page.js",
  "chart.js",
  "cluster_page.js",
  "commands_page.js",
  "config_page.js",
  "connection.js",
  "device_cards.js",
  "dialog.js",
  "dom.js",
  "event_list.js",
  "event_parser.js",
  "fleet.js",
  "fleet_page.js",
  "format.js",
  "history_chart.js",
  "history_page.js",
  "incidents.js",
  "key_form.js",
  "map_car.js",
  "map_gestures.js",
  "map_page.js",
  "map_plot.js",
  "map_view.js",
  "operator.js",
  "order.js",
  "payload.js",
  "row.js",
  "selection.js",
  "sink_cards.js",
  "sinks_page.js",
  "slices.js",
  "sorting.js",
  "tiles.js",
  "view_parts.js",
  "wall_page.js",
  "car_condition.js",
] as const;

/** Every file of the page by its path. */
export const assets: ReadonlyMap<string, Asset> = new Map<string, Asset>([
  ["/", lazily("index.html")],
  ...FILES.map((name): [string, Asset] => [`/${name}`, lazily(name)]),
]);

const GATEWAY_FILES = [
  "style.css",
  "actions.css",
  "car_page.css",
  "phone.css",
  "icon.svg",
  "connection.js",
  "dialog.js",
  "dom.js",
  "event_list.js",
  "event_parser.js",
  "format.js",
  "gateway.js",
  "key_form.js",
  "operator.js",
  "payload.js",
  "sink_cards.js",
  "view_parts.js",
] as const;

/** The same of a Module Gateway. */
export const gatewayAssets: ReadonlyMap<string, Asset> = new Map<string, Asset>([
  ["/", lazily("gateway.html")],
  ...GATEWAY_FILES.map((name): [string, Asset] => [`/${name}`, lazily(name)]),
]);

/** A file whose text is read once, when somebody wants it. */
function lazily(name: string): Asset {
  let text: string | undefined;
  const ending = name.slice(name.lastIndexOf(".") + 1) as keyof typeof TYPES;
  return {
    type: TYPES[ending],
    get body() {
      return text ??= Deno.readTextFileSync(new URL(name, FOLDER));
    },
  };
}
