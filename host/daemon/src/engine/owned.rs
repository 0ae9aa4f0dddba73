//! How many things mcpd owns, for whoever scrapes figures: asked anew each time, and not for long.

use std::time::Duration;

use tokio::time::timeout;

use crate::runtime::Runtime;

/// How long a scrape waits for an engine: an idle one lists in milliseconds, and the other figures need none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Processes and containers, where they can be counted now.
pub(super) async fn owned_things(runtime: &dyn Runtime) -> Option<usize> {
    let listed = timeout(PATIENCE, runtime.list()).await.ok()?;
    listed.ok().map(|owned| owned.len())
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::runtime::fake::FakeRuntime;

    #[tokio::test(start_paused = true)]
    async fn what_a_frozen_engine_does_not_list_is_not_counted_and_not_waited_for() {
        let runtime = FakeRuntime::new();
        assert_eq!(owned_things(&runtime).await, Some(0));
        runtime.list_takes(Duration::from_secs(10));
        let asked = Instant::now();
        assert_eq!(owned_things(&runtime).await, None);
        assert_eq!(asked.elapsed(), PATIENCE);
    }
}
