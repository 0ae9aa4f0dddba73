//! The terminal that this program runs in: its size, and the mode in which every key goes through.

use std::io;

use mcpd_api::exec::TerminalSize;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::trouble::{Done, Trouble};

/// For a terminal that does not know its size, as some of CI and editors do not.
const SIZE_DEFAULT: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// Whether stdin is a terminal.
pub(crate) fn is_there() -> bool {
    isatty(io::stdin())
}

/// Its size.
pub(crate) fn size() -> TerminalSize {
    let found = tcgetwinsize(io::stdin()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    found.map_or(SIZE_DEFAULT, |size| TerminalSize { columns: size.ws_col, rows: size.ws_row })
}

/// Every key goes through as it is, also those that would end this program. The drop of this value restores what was,
/// however this program goes on.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Changes the mode.
    pub(crate) fn enter() -> Done<Self> {
        let change = || -> rustix::io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
            Ok(Self { before })
        };
        change().map_err(|error| Trouble::io("changing the mode of the terminal")(error.into()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone has no mode.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}
