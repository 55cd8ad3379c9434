// Certificates for tests of TLS, made by openssl: an authority, good ones and bad ones.
import { TempFolder } from "./temp.ts";

/** A certificate and its key, PEM files. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** `await using certificates = await Certificates.make()`; the folder goes with it. */
export class Certificates implements AsyncDisposable {
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  /** Makes all of them; takes about half a second. */
  static async make(): Promise<Certificates> {
    const made = new Certificates(await TempFolder.make());
    try {
      await made.#authority("ca", "Test authority");
      await made.#authority("other_ca", "Another authority");
      await made.#signed("server", "DNS:localhost,IP:127.0.0.1", 30);
      await made.#signed("client", "DNS:client.test", 30);
      await made.#signed("other_host", "DNS:elsewhere.test", 30);
      await made.#signed("expired", "DNS:localhost,IP:127.0.0.1", -1);
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  /** The authority that signed all of the below. */
  get caFile(): string {
    return this.#folder.file("ca.pem");
  }

  /** An authority that signed none of them. */
  get otherCaFile(): string {
    return this.#folder.file("other_ca.pem");
  }

  /** Valid for `localhost` and 127.0.0.1. */
  get server(): CertificateFiles {
    return this.#pair("server");
  }

  /** For a client. */
  get client(): CertificateFiles {
    return this.#pair("client");
  }

  /** Right host, but it expired yesterday. */
  get expired(): CertificateFiles {
    return this.#pair("expired");
  }

  /** Valid for `elsewhere.test` only. */
  get otherHost(): CertificateFiles {
    return this.#pair("other_host");
  }

  /** Removes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  #pair(name: string): CertificateFiles {
    return {
      certFile: this.#folder.file(`${name}.pem`),
      keyFile: this.#folder.file(`${name}.key`),
    };
  }

  async #authority(name: string, subject: string): Promise<void> {
    const { certFile, keyFile } = this.#pair(name);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await openssl("req", "-x509", ...key, "-keyout", keyFile, "-out", certFile, "-days", "30", [
      ...["-subj", `/CN=${subject}`],
      ...["-addext", "basicConstraints=critical,CA:TRUE"],
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ]);
  }

  /** `days` may be negative: then it ended that long ago. */
  async #signed(name: string, alternativeNames: string, days: number): Promise<void> {
    const { certFile, keyFile } = this.#pair(name);
    const request = this.#folder.file(`${name}.csr`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await openssl("req", ...key, "-keyout", keyFile, "-out", request, "-subj", `/CN=${name}`);
    const extensions = await this.#folder.write(
      `${name}.ext`,
      `basicConstraints=CA:FALSE\nsubjectAltName=${alternativeNames}\n`,
    );
    // "openssl x509" cannot date a certificate back, "openssl ca" can.
    const database = await this.#folder.write(`${name}.index`, "");
    const config = await this.#folder.write(
      `${name}.cnf`,
      [
        "[ca]",
        "default_ca=own",
        "[own]",
        `database=${database}`,
        `new_certs_dir=${this.#folder.path}`,
        "rand_serial=yes",
        "default_md=sha256",
        "policy=any",
        "[any]",
        "commonName=supplied",
        "",
      ].join("\n"),
    );
    await openssl("ca", "-batch", "-notext", "-config", config, [
      ...["-cert", this.caFile, "-keyfile", this.#pair("ca").keyFile],
      ...["-in", request, "-out", certFile, "-extfile", extensions],
      ...["-startdate", opensslDate(days < 0 ? days - 30 : -1), "-enddate", opensslDate(days)],
    ]);
  }
}

/** The time that many days from now, as `openssl ca` wants it: YYYYMMDDHHMMSSZ. */
function opensslDate(daysFromNow: number): string {
  const date = new Date(Date.now() + daysFromNow * 86_400_000);
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`;
}

async function openssl(...args: (string | string[])[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: args.flat(),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    const said = new TextDecoder().decode(stderr);
    throw new Error(`Cannot make a certificate: openssl ${args.flat().join(" ")}: ${said}`);
  }
}
