//! The daemon as a library, so that tests and benchmarks reach what the program is made of.

pub mod runtime;
