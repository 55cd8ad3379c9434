// Reads and checks the files of a TLS connection.
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { describeFileError, MAX_PEM_BYTES, readText } from "../text/mod.ts";
import { TlsFileError } from "./errors.ts";

/** Files in PEM form, absolute paths. */
export interface TlsFiles {
  /** Absent: the certificates the system trusts. */
  readonly caFile?: string;
  /** Client certificate and its key: both or none. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** The contents of the files, as PEM text. */
export interface TlsMaterial {
  /** Authorities in addition to those that the runtime trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Reads the files and checks what can be checked without a broker.
 *
 * @throws {TlsFileError} when one cannot be read, holds something else, or the key is another's.
 */
export async function readTls(config: TlsFiles): Promise<TlsMaterial> {
  const { caFile, certFile, keyFile } = config;
  const authority: { ca?: string } = {};
  if (caFile !== undefined) {
    authority.ca = await readPem(caFile, "CA");
    readCertificate(caFile, authority.ca, "CA");
  }
  if (certFile === undefined || keyFile === undefined) return authority;
  const cert = await readPem(certFile, "certificate");
  const key = await readPem(keyFile, "key");
  const certificate = readCertificate(certFile, cert, "certificate");
  if (publicKeyOf(keyFile, key) !== pem(certificate.publicKey)) {
    throw new TlsFileError(
      `Cannot use key file "${keyFile}": it does not belong to the certificate in "${certFile}"`,
    );
  }
  return { ...authority, cert, key };
}

async function readPem(file: string, what: string): Promise<string> {
  try {
    return await readText(file, { maxBytes: MAX_PEM_BYTES });
  } catch (cause) {
    const advice = cause instanceof Deno.errors.PermissionDenied
      ? "; give the user that runs the server the right to read it"
      : "";
    const message = `Cannot read ${what} file "${file}": ${describeFileError(cause)}${advice}`;
    throw new TlsFileError(message, { cause });
  }
}

function readCertificate(file: string, text: string, what: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new TlsFileError(
      `Cannot use ${what} file "${file}": it holds no certificate in PEM form`,
      {
        cause,
      },
    );
  }
}

function publicKeyOf(file: string, text: string): string {
  try {
    return pem(createPublicKey(createPrivateKey(text)));
  } catch (cause) {
    const problem = /ENCRYPTED/.test(text)
      ? "it is protected by a passphrase; store it without one (openssl pkey -in FILE -out FILE)"
      : "it holds no private key in PEM form";
    throw new TlsFileError(`Cannot use key file "${file}": ${problem}`, { cause });
  }
}

function pem(key: ReturnType<typeof createPublicKey>): string {
  return String(key.export({ type: "spki", format: "pem" }));
}
