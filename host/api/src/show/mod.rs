//! Views as people read them, in a terminal: shared by `mcpctl` and `mcpd up`, so that one thing looks one way.

pub mod age;
pub mod instances;
pub mod parts;
pub mod table;

/// Text of servers and people, made fit for one cell: no line breaks, nothing a terminal would obey.
pub fn tame(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// At most `max` characters, with an ellipsis where some are left out.
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}
