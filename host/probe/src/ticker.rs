//! The clock of CPU limits: raises the epoch of the engine at a steady pace, whatever tokio's threads do.

use std::io;
use std::thread;
use std::time::Duration;

use wasmtime::Engine;

/// The grain of CPU limits, and how long a guest may compute before it lets other tasks have the thread.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Starts the thread; it ends by itself when the engine is gone.
pub(crate) fn start(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new().name("probe-epoch".to_owned()).spawn(tick)?;
    Ok(())
}
