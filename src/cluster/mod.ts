// Which of several servers owns a car.
export type {
  Adoption,
  CarCluster,
  CarClusterListener,
  ConnectAgainReason,
  Release,
  Taking,
} from "./car_cluster.ts";
export {
  type Checkpoint,
  CHECKPOINT_FORMAT,
  type Collected,
  encodeCheckpoint,
  readCheckpoint,
  type Unreadable,
} from "./checkpoint.ts";
export { CarConversations, type CarConversationsOptions } from "./car_conversations.ts";
export { ALL_COVERED, checkpointDueAt, type Coverage, withHandled } from "./coverage.ts";
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
export { type CarKeeper, ClusterInstance, type ClusterInstanceOptions } from "./instance.ts";
export { MemoryCluster, MemoryStore } from "./memory_store.ts";
export {
  type ClusterStore,
  MemberExistsError,
  type StoreContents,
  StoreError,
  type StoreListener,
} from "./store.ts";
export { EtcdClient } from "./etcd/etcd_client.ts";
export { EtcdStore, type EtcdStoreOptions } from "./etcd/etcd_store.ts";
export {
  createTakeover,
  type Decision,
  type ReconnectReason,
  stepTakeover,
  type Takeover,
  type TakeoverEffect,
  type TakeoverEnvironment,
  type TakeoverInput,
  type TakeoverStep,
} from "./takeover.ts";
export { type Formats, THIS_PROGRAM, upgradeVerdicts, type Verdict } from "./upgrade.ts";
export {
  type ClusterCar,
  type ClusterSnapshot,
  RunningCluster,
  type RunningClusterOptions,
} from "./running_cluster.ts";
export {
  noTakeovers,
  ServedCars,
  type ServedCarsOptions,
  type TakeoverCounts,
  type TakeoverKind,
  type Took,
} from "./served_cars.ts";
