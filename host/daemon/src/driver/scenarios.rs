//! The rules of behaviour.md about what is done when, seen on everything that does it, in paused time.

mod attempts;
mod life;
mod replicas;
