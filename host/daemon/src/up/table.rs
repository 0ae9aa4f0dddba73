//! A live table of the instances and runtimes, where somebody watches on a terminal.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use mcpd_api::show::instances::{IsWide, columns, row};
use mcpd_api::show::parts;
use mcpd_api::show::table::Table;
use tokio::sync::broadcast::error::RecvError;

use super::views;
use crate::app::App;

/// Ages and waits move on by themselves; a terminal is drawn anew this often.
const TICK: Duration = Duration::from_secs(1);

/// How long changes are gathered before the next drawing: an eye sees no more.
const GATHER: Duration = Duration::from_millis(50);

/// Draws the table in place until mcpd ends.
pub(super) async fn show(app: &Arc<App>, colours: bool) -> anyhow::Result<()> {
    let mut changes = app.board.watch();
    let mut lines_drawn = 0;
    loop {
        lines_drawn = draw(app, colours, lines_drawn)?;
        tokio::select! {
            change = changes.recv() => match change {
                Ok(_) | Err(RecvError::Lagged(_)) => tokio::time::sleep(GATHER).await,
                Err(RecvError::Closed) => return Ok(()),
            },
            () = tokio::time::sleep(TICK) => {}
        }
        while changes.try_recv().is_ok() {}
    }
}

/// Draws over what was drawn before, and gives the number of lines that stand there now.
fn draw(app: &App, colours: bool, lines_before: usize) -> io::Result<usize> {
    let now = app.now();
    let mut views = views(app);
    views.sort_by(|a, b| (&a.server, a.created_at, &a.id).cmp(&(&b.server, b.created_at, &b.id)));
    let rows: Vec<_> = views.iter().map(|view| row(view, now, IsWide::No)).collect();
    let instances = Table::new(columns(IsWide::No), colours).render(&rows);
    let text = format!("{instances}\n{}", parts::page(&app.runtimes(), now, colours));
    let lines = text.lines().count();
    let mut stdout = io::stdout().lock();
    if lines_before > 0 {
        // Up to the first line of the old table, and everything below it away.
        write!(stdout, "\x1b[{lines_before}F\x1b[0J")?;
    }
    // Without line wrap: a line that does not fit is cut by the terminal, and a row stays a line.
    write!(stdout, "\x1b[?7l{text}\x1b[?7h")?;
    stdout.flush()?;
    Ok(lines)
}
