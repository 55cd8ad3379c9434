// Which of several servers owns a car.
export type { Effect, Input, StopReason } from "./inputs.ts";
export { preferredOwners } from "./rendezvous.ts";
export {
  CLUSTER_SETTINGS,
  type ClusterSettings,
  type ClusterState,
  createCluster,
  type Environment,
  type Hold,
  type Member,
  type Ownership,
} from "./state.ts";
export { nextDeadline, type Step, step } from "./step.ts";
