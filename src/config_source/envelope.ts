// What a source gives: a configuration, or an envelope around it with a version and a signature.
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import * as z from "zod";
import { quote } from "../text/mod.ts";

/** A document, read and with its signature checked. */
export interface DocumentInfo {
  /** SHA-256 of all of it, hexadecimal. */
  readonly hash: string;
  /** The same of the configuration alone. */
  readonly bodyHash: string;
  /** `null`: it has no envelope. */
  readonly version: number | null;
  /** Cars with one of these labels try it first. */
  readonly labels: readonly string[];
  /** When it was pulled, or the local file was read. */
  readonly fetchedAt: number;
}

/** A document and the configuration in it. */
export interface OpenDocument {
  readonly info: DocumentInfo;
  readonly body: string;
}

interface EnvelopeErrorOptions extends ErrorOptions {
  readonly version?: number;
}

/** A document cannot be used; the message says why. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
  readonly version: number | null;

  constructor(message: string, options: EnvelopeErrorOptions = {}) {
    super(message, options);
    this.version = options.version ?? null;
  }
}

/** What is signed with its private key, and what a configuration's `public_key` names. */
export interface KeyPair {
  /** PKCS #8, PEM. */
  readonly privateKey: string;
  /** `ed25519:` and base64. */
  readonly publicKey: string;
}

const ALGORITHM = "Ed25519";
const PUBLIC = "ed25519:";
const PEM = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/;
/** Begins what is signed, so that a signature of something else is none of a configuration. */
const PURPOSE = "external-server configuration 1";

const Envelope = z.strictObject({
  version: z.int().min(1),
  labels: z.array(z.string().min(1)).default([]),
  body: z.string(),
  signature: z.base64().optional(),
});

/** Makes an Ed25519 key pair. */
export async function makeKeyPair(): Promise<KeyPair> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(ALGORITHM, true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const pem = Buffer.from(await crypto.subtle.exportKey("pkcs8", privateKey)).toString("base64");
  const raw = Buffer.from(await crypto.subtle.exportKey("raw", publicKey)).toString("base64");
  return {
    privateKey: `-----BEGIN PRIVATE KEY-----\n${pem}\n-----END PRIVATE KEY-----\n`,
    publicKey: PUBLIC + raw,
  };
}

/** What goes into an envelope. */
export interface Sealed {
  /** The text of a configuration. */
  readonly body: string;
  readonly version: number;
  readonly labels: readonly string[];
}

/**
 * Makes a signed envelope.
 *
 * @throws {EnvelopeError} when the private key cannot be used.
 */
export async function seal({ body, version, labels }: Sealed, privateKey: string): Promise<string> {
  const signed = await crypto.subtle.sign(
    ALGORITHM,
    await importPrivate(privateKey),
    signedBytes({ body, version, labels }),
  );
  const signature = Buffer.from(signed).toString("base64");
  return JSON.stringify({ version, labels, body, signature }, null, 2) + "\n";
}

async function importPrivate(pem: string): Promise<CryptoKey> {
  const [, base64] = PEM.exec(pem) ?? [];
  if (base64 === undefined) {
    throw new EnvelopeError("Expected a private key, PEM, as config keygen makes it");
  }
  try {
    const bytes = Buffer.from(base64.replaceAll(/\s/g, ""), "base64");
    return await crypto.subtle.importKey("pkcs8", bytes, ALGORITHM, false, ["sign"]);
  } catch (cause) {
    throw new EnvelopeError("Expected an Ed25519 private key", { cause });
  }
}

/**
 * Reads a document, and checks its signature when there is a public key.
 *
 * @throws {EnvelopeError} when it cannot be used.
 */
export async function openDocument(
  text: string,
  publicKey: string | undefined,
  fetchedAt: number,
): Promise<OpenDocument> {
  const envelope = envelopeIn(text);
  const hash = hashOf(text);
  if (envelope === undefined) {
    if (publicKey !== undefined) {
      throw new EnvelopeError("Expected a signed envelope, as public_key is set: found none");
    }
    const info = { hash, bodyHash: hash, version: null, labels: [], fetchedAt };
    return { info, body: text };
  }
  const { body, version, labels, signature } = envelope;
  if (publicKey !== undefined) {
    if (signature === undefined) {
      throw new EnvelopeError("Expected a signature, as public_key is set: found none", {
        version,
      });
    }
    if (!await isSigned({ body, version, labels }, signature, publicKey)) {
      const found = "one of another key, or of other content";
      throw new EnvelopeError(`Expected a signature of public_key: found ${found}`, { version });
    }
  }
  return { info: { hash, bodyHash: hashOf(body), version, labels, fetchedAt }, body };
}

/** Undefined when the document is none, but perhaps a configuration. */
function envelopeIn(text: string): z.output<typeof Envelope> | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new EnvelopeError("Expected JSON: found something else", { cause });
  }
  if (typeof document !== "object" || document === null) {
    throw new EnvelopeError("Expected a configuration or an envelope: found no object");
  }
  if (!("body" in document)) return undefined;
  const parsed = Envelope.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.join(".") || "keys";
  throw new EnvelopeError(`Expected an envelope: ${place}: ${quote(issue?.message ?? "wrong")}`);
}

async function isSigned(sealed: Sealed, signature: string, publicKey: string): Promise<boolean> {
  const raw = Buffer.from(publicKey.slice(PUBLIC.length), "base64");
  const key = await crypto.subtle.importKey("raw", raw, ALGORITHM, false, ["verify"]);
  const bytes = Buffer.from(signature, "base64");
  return await crypto.subtle.verify(ALGORITHM, key, bytes, signedBytes(sealed));
}

/** Version and labels are signed with the body: nobody can have an old one taken as new. */
function signedBytes({ body, version, labels }: Sealed): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    `${PURPOSE}\n${version}\n${JSON.stringify(labels)}\n${body}`,
  );
}

/** SHA-256, hexadecimal. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
