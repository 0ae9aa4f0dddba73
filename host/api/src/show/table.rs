//! Tables: columns as wide as their widest cell, two spaces apart, nothing after the last one.

/// Between two columns.
const GAP: usize = 2;

/// A column.
pub struct Column {
    title: &'static str,
    width_min: usize,
}

/// A colour of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Well.
    Green,
    /// Worth a look.
    Yellow,
    /// Not well.
    Red,
}

/// The text of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

/// A table that may grow by rows after it was printed, as in a watch.
pub struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    colours: bool,
}

impl Column {
    /// As wide as its widest cell.
    pub const fn new(title: &'static str) -> Self {
        Self { title, width_min: 0 }
    }

    /// At least as wide as this, for a column whose widest word comes and goes.
    pub const fn at_least(title: &'static str, width_min: usize) -> Self {
        Self { title, width_min }
    }
}

impl Cell {
    /// A text in a colour, where colours are shown.
    pub fn painted(text: impl Into<String>, colour: Colour) -> Self {
        Self { text: text.into(), colour: Some(colour) }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), colour: None }
    }
}

impl Table {
    /// An empty table.
    pub fn new(columns: Vec<Column>, colours: bool) -> Self {
        let widths = columns.iter().map(|column| column.title.len().max(column.width_min)).collect();
        Self { columns, widths, colours }
    }

    /// Title and rows. The widths are kept for [`Self::rows`].
    pub fn render(&mut self, rows: &[Vec<Cell>]) -> String {
        self.widen(rows);
        let titles: Vec<Cell> = self.columns.iter().map(|column| column.title.into()).collect();
        self.line(&titles) + &self.rows(rows)
    }

    /// Rows without the title.
    pub fn rows(&mut self, rows: &[Vec<Cell>]) -> String {
        self.widen(rows);
        rows.iter().map(|row| self.line(row)).collect()
    }

    fn widen(&mut self, rows: &[Vec<Cell>]) {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
    }

    fn line(&self, row: &[Cell]) -> String {
        let mut line = String::new();
        let mut gap = 0;
        for (cell, width) in row.iter().zip(&self.widths) {
            if cell.text.is_empty() {
                gap += width + GAP;
                continue;
            }
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(&self.painted(cell));
            gap = width - cell.width() + GAP;
        }
        line.push('\n');
        line
    }

    fn painted(&self, cell: &Cell) -> String {
        let code = match cell.colour.filter(|_| self.colours) {
            None => return cell.text.clone(),
            Some(Colour::Green) => 32,
            Some(Colour::Yellow) => 33,
            Some(Colour::Red) => 31,
        };
        format!("\x1b[{code}m{}\x1b[0m", cell.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(colours: bool) -> String {
        let columns = vec![Column::new("NAME"), Column::new("STATE"), Column::new("AGE")];
        let rows = [
            vec!["a".into(), Cell::painted("well", Colour::Green), "1m".into()],
            vec!["a-longer-name".into(), "".into(), "".into()],
            vec!["ä".into(), "".into(), "2m".into()],
        ];
        Table::new(columns, colours).render(&rows)
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        insta::assert_snapshot!(table(false), @"
        NAME           STATE  AGE
        a              well   1m
        a-longer-name
        ä                     2m
        ");
    }

    #[test]
    fn colours_do_not_change_the_widths() {
        let plain = table(true).replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert_eq!(plain, table(false));
        assert_ne!(table(true), table(false));
    }
}
