//! The imports of the contract, one small file each; what a guest can do is what is written here.

mod clock;
mod mcp;
mod report;
mod state;
mod target;
