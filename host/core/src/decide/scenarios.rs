//! The rules of behaviour.md about deciding, one by one: a fleet in, the plan out.

mod attempts;
mod replicas;
mod rollout;
