//! What the daemon knows right now: desired state as it was read, instances as they were observed.
//!
//! The board is what the API shows and the driver decides from. The store is behind it: desired state is
//! written there before it is shown here, and the [`Ledger`] writes down what becomes of instances.

mod board;
mod cell;
mod desired;
mod ledger;

pub use board::{Board, Change, Doubt, ServerCell};
pub use cell::{Cell, Greeting, Left, Run};
pub use desired::{CheckPlan, Defaults, Desired, DesiredError, PULL_PASSWORD, PULL_USERNAME};
pub use ledger::Ledger;
