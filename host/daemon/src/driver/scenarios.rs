//! The rules of behaviour.md that driver, state and runtime fulfil together, one by one, in paused time.

mod attachments;
mod attempts;
mod containers;
mod engine;
mod life;
mod replicas;
