//! Servers in containers of a real engine.
