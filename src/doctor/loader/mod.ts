// What keeps libraries from being loaded, as the system's loader says.
export { IMAGE_VARIANTS, newestOf, variantFor } from "./image_variants.ts";
export { type LoadPlan, planLibraries, planLoad } from "./loader.ts";
