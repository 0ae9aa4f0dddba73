//! Settings from the TOML file, with the line of each.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use super::mistake::{Mistake, Origin};
use super::setting::Setting;
use super::suggest::did_you_mean;

/// The settings of a file; what is wrong with the file itself or with its keys is added to `mistakes`.
pub(super) fn read(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Setting> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk { path: Arc::from(path), text, settings: Vec::new(), mistakes };
    walk.table(table.get_ref(), "");
    let broken = errors.iter().map(|error| walk.syntax(error)).collect::<Vec<_>>();
    // What the parser made up to go on after a broken line was set by nobody.
    walk.settings.retain(|setting| !broken.contains(&setting.origin));
    walk.settings
}

struct Walk<'a> {
    path: Arc<Path>,
    text: &'a str,
    settings: Vec<Setting>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, section: &str) {
        for (name, value) in table {
            let path = if section.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{section}.{}", name.get_ref())
            };
            let at = name.span().start;
            if name.get_ref().contains('.') {
                self.mistake(
                    at,
                    &path,
                    "unknown key (quotes make one name of it, without sections)".to_owned(),
                );
            } else if let Some(key) = keys::find(&path) {
                let origin = self.origin(Some(at));
                self.settings.push(Setting { origin, key, value: to_json(value) });
            } else if keys::is_section(&path) {
                self.section(at, value.get_ref(), &path);
            } else {
                self.unknown(at, section, &path);
            }
        }
    }

    fn section(&mut self, at: usize, value: &DeValue<'_>, path: &str) {
        match value.as_table() {
            Some(table) => self.table(table, path),
            None => self.mistake(at, path, "expected a table".to_owned()),
        }
    }

    fn unknown(&mut self, at: usize, section: &str, path: &str) {
        let elsewhere = path.rsplit('.').next().and_then(keys::find_elsewhere);
        let hint = match elsewhere {
            Some(key) => format!(", did you mean `{}`?", key.path),
            None => did_you_mean(path, keys::children(section).iter().map(String::as_str)),
        };
        self.mistake(at, path, format!("unknown key{hint}"));
    }

    fn syntax(&mut self, error: &toml::de::Error) -> Origin {
        let origin = self.origin(error.span().map(|span| span.start));
        let problem = format!("not TOML: {}", error.message());
        self.mistakes.push(Mistake { origin: origin.clone(), key: String::new(), problem });
        origin
    }

    fn mistake(&mut self, at: usize, key: &str, problem: String) {
        let origin = self.origin(Some(at));
        self.mistakes.push(Mistake { origin, key: key.to_owned(), problem });
    }

    fn origin(&self, at: Option<usize>) -> Origin {
        let line = at.and_then(|at| self.text.get(..at)).map(|before| before.matches('\n').count() + 1);
        Origin::File { path: Arc::clone(&self.path), line }
    }
}

/// TOML has two kinds of values that JSON has not: a date becomes its text, and so does a number that is
/// none (`nan`, `inf`), which no key accepts.
fn to_json(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        DeValue::Float(number) => {
            let finite = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            finite.map_or_else(|| Value::from(number.as_str()), Value::Number)
        }
        DeValue::Boolean(switch) => Value::from(*switch),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(values) => values.iter().map(to_json).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), to_json(value))).collect()
        }
    }
}
