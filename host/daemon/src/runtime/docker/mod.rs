//! The runtime `docker`: instances as containers of Docker Engine, or of what speaks its API.

pub mod endpoint;
mod exec;
mod failure;
mod frames;
mod images;
mod registry;
#[cfg(test)]
mod scripted;
mod socket;
mod streams;
#[cfg(test)]
mod test_engine;
