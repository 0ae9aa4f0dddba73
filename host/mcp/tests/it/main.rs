//! Connections against a scripted server: each rule of behaviour.md, section 7, as a test.

mod bounds;
mod calls;
mod ends;
mod handshake;
mod noise;
mod peer;
mod pipes;
