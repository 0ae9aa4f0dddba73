//! What a log keeps, masks and cuts.

use futures::FutureExt as _;
use mcpd_core::secret::SecretValue;

use super::*;

fn book(secret: &str) -> Arc<LogBook> {
    let book = LogBook::new(Arc::new(|| Timestamp::UNIX_EPOCH));
    book.turn_page(Redactor::new([&SecretValue::new(secret.to_owned())]));
    Arc::new(book)
}

fn texts(book: &LogBook, attempt: Attempt, tail: Option<usize>) -> Vec<String> {
    book.lines(LogQuery { tail, attempt }).into_iter().map(|line| line.text).collect()
}

fn stderr(book: &LogBook, line: &str) {
    book.append(LogStream::Stderr, line.as_bytes(), 0);
}

#[test]
fn the_attempt_before_is_kept() {
    let book = book("");
    stderr(&book, "one");
    book.turn_page(Redactor::default());
    stderr(&book, "two");
    stderr(&book, "three");
    assert_eq!(texts(&book, Attempt::Previous, None), ["one"]);
    assert_eq!(texts(&book, Attempt::Current, Some(1)), ["three"]);
}

#[test]
fn the_log_stays_within_its_bounds_and_keeps_the_end() {
    let book = book("");
    for number in 0..LOG_LINES_MAX + 5 {
        stderr(&book, &number.to_string());
    }
    let lines = texts(&book, Attempt::Current, None);
    assert_eq!((lines.len(), lines[0].as_str()), (LOG_LINES_MAX, "5"));
    for _ in 0..200 {
        stderr(&book, &"x".repeat(LINE_BYTES_MAX));
    }
    assert_eq!(texts(&book, Attempt::Current, None).len(), LOG_BYTES_MAX / LINE_BYTES_MAX);
    book.turn_page(Redactor::default());
    assert_eq!(texts(&book, Attempt::Previous, None).len(), PREVIOUS_BYTES_MAX / LINE_BYTES_MAX);
}

#[test]
fn a_secret_across_the_cut_of_a_long_line_is_masked() {
    let book = book("hunter22-hunter22");
    let line = format!("{}hunter22-hunter22{}", "x".repeat(LINE_BYTES_MAX - 4), "y".repeat(100));
    book.append(LogStream::Stderr, line.as_bytes(), 7);
    let text = texts(&book, Attempt::Current, None).remove(0);
    assert!(!text.contains("hunt"), "{}", &text[LINE_BYTES_MAX - 10..]);
    assert!(text.ends_with(" more bytes)"), "{}", &text[LINE_BYTES_MAX - 10..]);
}

#[test]
fn a_secret_longer_than_what_is_read_of_a_line_leaves_nothing_in_the_log() {
    let secret = "k3y".repeat(10 * 1024);
    let book = book(&secret);
    book.append(LogStream::Stderr, format!("{secret}{secret}").as_bytes(), 0);
    book.append(LogStream::Stderr, format!("it is {secret}").as_bytes(), 5);
    let texts = texts(&book, Attempt::Current, None);
    assert_eq!(texts, ["(a line of 61440 bytes)", "(a line of 30731 bytes)"]);
}

#[test]
fn what_is_no_text_is_kept_as_well_as_can_be() {
    let book = book("");
    book.append(LogStream::Stdout, b"caf\xe9\r\n", 0);
    assert_eq!(texts(&book, Attempt::Current, None), ["caf\u{fffd}"]);
}

#[test]
fn the_tail_of_stderr_is_short_and_holds_no_stdout() {
    let book = book("");
    for number in 0..30 {
        stderr(&book, &format!("line {number}"));
        book.append(LogStream::Stdout, b"noise", 0);
    }
    let tail = book.stderr_tail();
    assert_eq!(tail.lines().count(), TAIL_LINES_MAX);
    assert!(tail.starts_with("line 10\n") && tail.ends_with("\nline 29"), "{tail}");
    stderr(&book, &"z".repeat(3 * TAIL_BYTES_MAX));
    assert_eq!(book.stderr_tail().len(), TAIL_BYTES_MAX);
}

#[tokio::test]
async fn who_follows_sees_all_attempts_until_the_end() {
    let book = book("");
    stderr(&book, "one");
    stderr(&book, "two");
    let mut lines = book.clone().follow(LogQuery { tail: Some(1), attempt: Attempt::Current });
    assert_eq!(lines.next().await.unwrap().text, "two");
    assert!(lines.next().now_or_never().is_none());
    book.turn_page(Redactor::default());
    stderr(&book, "three");
    assert_eq!(lines.next().await.unwrap().text, "three");
    book.close();
    assert!(lines.next().await.is_none());
}
