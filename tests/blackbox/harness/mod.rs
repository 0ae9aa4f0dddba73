//! Starts the programs under test and tells what became of them.

mod answer;
mod ctl;
mod daemon;
mod dock;
mod engine;
mod image;
mod instance;
mod manifest;
mod place;
mod private_engine;
mod process;
mod program;
mod said;
mod wait;

pub(crate) use self::answer::Answer;
pub(crate) use self::ctl::{Ran, ctl};
pub(crate) use self::daemon::{Daemon, Launch};
pub(crate) use self::dock::{Dock, INSTANCE, OWNER, host_pid, label};
pub(crate) use self::engine::Engine;
pub(crate) use self::image::Image;
pub(crate) use self::instance::{condition, has_event, id, is_functional, is_healthy, message, pid};
pub(crate) use self::manifest::{contained, hostile, secret, secret_env, with};
pub(crate) use self::place::Place;
pub(crate) use self::private_engine::PrivateEngine;
pub(crate) use self::process::Process;
pub(crate) use self::program::{is_skipped, root};
pub(crate) use self::wait::{SOON, until, until_some};
