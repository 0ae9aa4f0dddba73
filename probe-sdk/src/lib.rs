//! What the author of a probe depends on: the contract in Rust, and one macro that exports it.
//!
//! ```no_run
//! use mcpd_probe_sdk::{Description, Failure, Probe, Verdict, export_probe, mcp, pass};
//!
//! struct Whoami;
//!
//! impl Probe for Whoami {
//!     fn describe() -> Description {
//!         Description::new("whoami", "0.1.0", "asks the server who it is").tools(&["whoami"])
//!     }
//!
//!     fn run() -> Result<Verdict, Failure> {
//!         mcp::call_tool("whoami", "{}", None)?;
//!         Ok(pass("ok"))
//!     }
//! }
//!
//! export_probe!(Whoami);
//! ```
//!
//! Handing a failure on with `?` is the right thing in nearly every case: mcpd judges it by its kind and
//! shows the server's own words.

#[doc(hidden)]
pub mod bindings;
mod description;
mod verdict;

pub use bindings::exports::mcpd::probe::check::Verdict;
pub use bindings::mcpd::probe::types::{Failure, FailureKind, Finding};
pub use bindings::mcpd::probe::{clock, mcp, report, state, target};
pub use description::Description;
pub use verdict::{fail, pass, unknown, warn};

/// A probe: what it is, and one check.
pub trait Probe {
    /// Says what the probe is; runs once when mcpd loads it, without a server.
    fn describe() -> Description;

    /// One check of one replica. An `Err` hands the failed call to mcpd, which judges it by its kind.
    fn run() -> Result<Verdict, Failure>;
}

/// Exports a type that implements [`Probe`] as the component's `check` interface.
#[macro_export]
macro_rules! export_probe {
    ($probe:ty) => {
        struct ExportedProbe;

        impl $crate::__private::Guest for ExportedProbe {
            fn describe() -> String {
                $crate::__private::log_panics();
                <$probe as $crate::Probe>::describe().to_json()
            }

            fn run() -> Result<$crate::Verdict, $crate::Failure> {
                $crate::__private::log_panics();
                <$probe as $crate::Probe>::run()
            }
        }

        $crate::__private::export_bindings!(ExportedProbe with_types_in $crate::bindings);
    };
}

/// What the macro expands to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::export_bindings;
    pub use crate::bindings::exports::mcpd::probe::check::Guest;

    /// A panic ends the check as a trap; its message goes to the check's log, where its author finds it.
    pub fn log_panics() {
        std::panic::set_hook(Box::new(|panic| {
            crate::report::log(crate::report::Level::Error, &panic.to_string());
        }));
    }
}
