//! Instances as a table.

use crate::view::{HealthStatus, InstanceStatus, InstanceView, LastCheck, Verdict};
use jiff::Timestamp;

use super::age;
use super::table::{Cell, Colour, Column};
use super::{cut, tame};

/// As wide as `unhealthy`.
const HEALTH_WIDTH_MIN: usize = 9;
/// As wide as `yes (unverified)` and one more, so that the table does not jump while it is watched.
const READY_WIDTH_MIN: usize = 17;
/// The words of a check in a table; `-o wide` shows all of them.
const CHECK_WIDTH_MAX: usize = 60;

/// Characters of a container's id, as the engine's own tools show it.
const CONTAINER_WIDTH: usize = 12;
/// The reason of the events that tell how far a pull is.
const PULLING: &str = "Pulling";

/// The columns of the table.
pub fn columns(is_wide: IsWide) -> Vec<Column> {
    let mut columns = vec![
        Column::new("ID"),
        Column::new("SERVER"),
        Column::new("STATUS"),
        Column::at_least("HEALTH", HEALTH_WIDTH_MIN),
        Column::at_least("READY", READY_WIDTH_MIN),
        Column::new("CHECK"),
        Column::new("RESTARTS"),
        Column::new("NEXT RETRY"),
        Column::new("AGE"),
    ];
    if is_wide == IsWide::Yes {
        columns.extend(["PID", "CONTAINER", "IMAGE", "PROTOCOL", "ATTEMPTS", "ERROR"].map(Column::new));
    }
    columns
}

/// Whether the columns of `-o wide` are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsWide {
    /// All columns.
    Yes,
    /// Those that fit a terminal.
    No,
}

/// One instance as a row.
pub fn row(instance: &InstanceView, now: Timestamp, is_wide: IsWide) -> Vec<Cell> {
    let last = || instance.last_check.as_ref().map(|check| check_words(check, now));
    let check = pulling(instance).map(progress).or_else(last).unwrap_or_default();
    let retry = instance.metadata.next_retry_at.map(|at| age::until(at, now)).unwrap_or_default();
    let mut row = vec![
        instance.id.as_str().into(),
        instance.server.as_str().into(),
        status(instance.status),
        instance.health_status.map(health).unwrap_or_default(),
        ready(instance).into(),
        if is_wide == IsWide::Yes { check } else { cut(&check, CHECK_WIDTH_MAX) }.into(),
        instance.restarts.to_string().into(),
        retry.into(),
        age::short(age::since(instance.created_at, now)).into(),
    ];
    if is_wide == IsWide::Yes {
        row.extend(more(instance));
    }
    row
}

/// `yes`, `yes (unverified)` or `no`: the word used for a proven one is never used for another.
pub fn ready(instance: &InstanceView) -> &'static str {
    match (instance.ready, instance.verified) {
        (true, true) => "yes",
        (true, false) => "yes (unverified)",
        (false, _) => "no",
    }
}

/// `whoami ok 4s ago`, or the words of the check where it has any.
pub fn check_words(check: &LastCheck, now: Timestamp) -> String {
    if check.verdict != Verdict::Pass || check.message != "ok" {
        return tame(&check.message);
    }
    let what = check.tool.as_deref().unwrap_or(&check.probe);
    format!("{} ok {} ago", tame(what), age::short(age::since(check.at, now)))
}

/// What is said of the image that an instance waits for: `pulling image NAME: 34 of 120 MiB`.
pub fn pulling(instance: &InstanceView) -> Option<&str> {
    let last = instance.events.last().filter(|event| event.reason == PULLING)?;
    (instance.status == InstanceStatus::Starting).then_some(last.message.as_str())
}

/// `pulling 34 of 120 MiB`: the name of an image alone would fill the column.
fn progress(pulling: &str) -> String {
    let figures = pulling.rsplit_once(": ").map_or("an image", |(_, figures)| figures);
    format!("pulling {}", tame(figures))
}

/// The status as a cell.
pub fn status(status: InstanceStatus) -> Cell {
    match status {
        InstanceStatus::Error => Cell::painted(status.as_str(), Colour::Red),
        _ => status.as_str().into(),
    }
}

/// The health as a cell.
pub fn health(health: HealthStatus) -> Cell {
    let colour = match health {
        HealthStatus::Healthy => Colour::Green,
        HealthStatus::Degraded | HealthStatus::Unknown => Colour::Yellow,
        HealthStatus::Unhealthy => Colour::Red,
    };
    Cell::painted(health.as_str(), colour)
}

fn more(instance: &InstanceView) -> [Cell; 6] {
    let container = instance.container_id.as_deref().unwrap_or_default();
    [
        instance.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
        container.chars().take(CONTAINER_WIDTH).collect::<String>().into(),
        tame(instance.image.as_deref().unwrap_or_default()).into(),
        instance.protocol_version.as_deref().unwrap_or_default().into(),
        instance.metadata.attempt_count.to_string().into(),
        tame(instance.metadata.error.as_deref().unwrap_or_default()).into(),
    ]
}

#[cfg(test)]
mod tests {
    use crate::view::{Event, EventType, RetryView};

    use super::super::table::Table;
    use super::*;

    /// A moment, in seconds before the one at which the table is made.
    fn ago(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 - seconds).unwrap()
    }

    fn running(id: &str, server: &str) -> InstanceView {
        InstanceView {
            id: id.to_owned(),
            server_id: "s".to_owned(),
            server: server.to_owned(),
            status: InstanceStatus::Running,
            container_id: None,
            pid: Some(7),
            port: None,
            health_status: Some(HealthStatus::Healthy),
            verified: true,
            ready: true,
            last_health_check: None,
            conditions: Vec::new(),
            events: Vec::new(),
            metadata: RetryView::default(),
            last_check: None,
            restarts: 0,
            image: None,
            protocol_version: Some("2025-11-25".to_owned()),
            version: 1,
            created_at: ago(61),
            updated_at: ago(4),
        }
    }

    fn check(verdict: Verdict, message: &str, tool: Option<&str>) -> LastCheck {
        LastCheck {
            verdict,
            message: message.to_owned(),
            reason: String::new(),
            kind: None,
            at: ago(4),
            duration_ms: 3.0,
            probe: "tool-call".to_owned(),
            tool: tool.map(str::to_owned),
        }
    }

    /// The four instances of interfaces.md.
    fn fleet() -> Vec<InstanceView> {
        let demo = InstanceView {
            last_check: Some(check(Verdict::Pass, "ok", Some("whoami"))),
            ..running("k3v9x2", "demo")
        };
        let wrong = InstanceView {
            health_status: Some(HealthStatus::Unhealthy),
            verified: false,
            ready: false,
            last_check: Some(check(Verdict::Failure, "token is required", Some("whoami"))),
            ..running("p8d1qa", "demo-wrong-token")
        };
        let missing = InstanceView {
            status: InstanceStatus::Error,
            pid: None,
            health_status: None,
            verified: false,
            ready: false,
            protocol_version: None,
            metadata: RetryView {
                attempt_count: 1,
                last_attempt_at: Some(ago(6)),
                next_retry_at: Some(ago(-24)),
                error: Some("secret resolution failed:\nDEMO_TOKEN".to_owned()),
            },
            ..running("f0s7mm", "demo-missing-secret")
        };
        let notes = InstanceView {
            verified: false,
            last_check: Some(check(Verdict::Pass, "tools/list ok", None)),
            ..running("b2c4dd", "notes")
        };
        vec![demo, wrong, missing, notes]
    }

    fn table(is_wide: IsWide) -> String {
        let rows: Vec<_> = fleet().iter().map(|instance| row(instance, ago(0), is_wide)).collect();
        Table::new(columns(is_wide), false).render(&rows)
    }

    #[test]
    fn the_table_is_that_of_the_design() {
        let wanted = "\
ID      SERVER               STATUS   HEALTH     READY              CHECK              RESTARTS  NEXT RETRY  AGE
k3v9x2  demo                 RUNNING  healthy    yes                whoami ok 4s ago   0                     1m
p8d1qa  demo-wrong-token     RUNNING  unhealthy  no                 token is required  0                     1m
f0s7mm  demo-missing-secret  ERROR               no                                    0         in 24s      1m
b2c4dd  notes                RUNNING  healthy    yes (unverified)   tools/list ok      0                     1m
";
        assert_eq!(table(IsWide::No), wanted);
    }

    #[test]
    fn an_instance_that_waits_for_its_image_says_how_far_it_is() {
        let pull = Event {
            event_type: EventType::Normal,
            reason: "Pulling".to_owned(),
            message: "pulling image registry.example/a/name:1: 34 of 120 MiB".to_owned(),
            count: 1,
            timestamp: ago(3),
            last_timestamp: ago(3),
        };
        let last_check = Some(check(Verdict::Pass, "ok", Some("whoami")));
        let events = vec![pull];
        let mut view =
            InstanceView { status: InstanceStatus::Starting, last_check, events, ..running("a", "b") };
        assert_eq!(row(&view, ago(0), IsWide::No)[5], "pulling 34 of 120 MiB".into());
        view.status = InstanceStatus::Running;
        assert_eq!(row(&view, ago(0), IsWide::No)[5], "whoami ok 4s ago".into());
    }

    #[test]
    fn the_wide_table_shows_containers_and_images() {
        let view = InstanceView {
            pid: None,
            container_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
            image: Some("demo:1".to_owned()),
            ..running("k3v9x2", "demo")
        };
        let table = Table::new(columns(IsWide::Yes), false).render(&[row(&view, ago(0), IsWide::Yes)]);
        insta::assert_snapshot!(table, @"
        ID      SERVER  STATUS   HEALTH     READY              CHECK  RESTARTS  NEXT RETRY  AGE  PID  CONTAINER     IMAGE   PROTOCOL    ATTEMPTS  ERROR
        k3v9x2  demo    RUNNING  healthy    yes                       0                     1m        0123456789ab  demo:1  2025-11-25  0
        ");
    }

    #[test]
    fn the_wide_table_says_the_rest() {
        insta::assert_snapshot!(table(IsWide::Yes), @"
        ID      SERVER               STATUS   HEALTH     READY              CHECK              RESTARTS  NEXT RETRY  AGE  PID  CONTAINER  IMAGE  PROTOCOL    ATTEMPTS  ERROR
        k3v9x2  demo                 RUNNING  healthy    yes                whoami ok 4s ago   0                     1m   7                      2025-11-25  0
        p8d1qa  demo-wrong-token     RUNNING  unhealthy  no                 token is required  0                     1m   7                      2025-11-25  0
        f0s7mm  demo-missing-secret  ERROR               no                                    0         in 24s      1m                                      1         secret resolution failed: DEMO_TOKEN
        b2c4dd  notes                RUNNING  healthy    yes (unverified)   tools/list ok      0                     1m   7                      2025-11-25  0
        ");
    }
}
