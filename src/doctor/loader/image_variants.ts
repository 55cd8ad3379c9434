// The variants of the container image, by the C and C++ runtime that they bring.

/** Symbol versions that a runtime has at most, by the name before the underscore. */
type Versions = Readonly<Record<"GLIBC" | "GLIBCXX" | "CXXABI", string>>;

/** One variant: the image is the same but for what it is built on. */
export interface ImageVariant {
  /** The build argument `BASE_IMAGE`. */
  readonly base: string;
  /** The newest GCC whose C++ libraries load there. */
  readonly gcc: number;
  readonly versions: Versions;
}

/** From the oldest runtime to the newest; the first is the default. */
export const IMAGE_VARIANTS: readonly ImageVariant[] = [
  {
    base: "gcr.io/distroless/cc-debian12:nonroot",
    gcc: 12,
    versions: { GLIBC: "2.36", GLIBCXX: "3.4.30", CXXABI: "1.3.13" },
  },
  {
    base: "gcr.io/distroless/cc-debian13:nonroot",
    gcc: 14,
    versions: { GLIBC: "2.41", GLIBCXX: "3.4.33", CXXABI: "1.3.15" },
  },
];

/**
 * The oldest variant that has all these versions, such as `GLIBCXX_3.4.32`; those of other libraries
 * than the runtimes do not count. Undefined when none has them.
 */
export function variantFor(versions: readonly string[]): ImageVariant | undefined {
  const wanted = versions.flatMap((version) => {
    const [, name = "", number = ""] = /^(GLIBC|GLIBCXX|CXXABI)_(\d[\d.]*)$/.exec(version) ?? [];
    return name === "" ? [] : [{ name: name as keyof Versions, number }];
  });
  return IMAGE_VARIANTS.find(({ versions }) =>
    wanted.every(({ name, number }) => compareVersions(number, versions[name]) <= 0)
  );
}

/** Compares versions such as `2.9` and `2.34` by their numbers. */
export function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

/** The highest of versions such as `GLIBC_2.34` with this name, as `2.34`. */
export function newestOf(name: keyof Versions, versions: readonly string[]): string | undefined {
  const found = versions.flatMap((version) =>
    new RegExp(`^${name}_(\\d+(?:\\.\\d+)+)$`).exec(version)?.[1] ?? []
  );
  return found.sort(compareVersions).at(-1);
}
