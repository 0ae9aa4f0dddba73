//! A command that a person runs beside a server: how it is asked for, and the frames that go both ways then.
//!
//! `POST /instances/{id}/exec` with an [`ExecRequest`] as its body and `Upgrade: mcpd-exec/1`. After the answer 101 the
//! connection carries frames: one byte that names the channel, four of length (the most significant first), then
//! the payload.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the connection is upgraded to.
pub const PROTOCOL: &str = "mcpd-exec/1";
/// The longest payload of a frame: a full pipe of Linux. More goes into several frames.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Channel and length.
const HEADER_BYTES: usize = 5;
/// The highest channel there is.
const CHANNEL_LAST: u8 = 5;

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecRequest {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// A terminal of this size; none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<TerminalSize>,
    /// Whether the command reads what is sent; its stdin is empty otherwise.
    #[serde(default)]
    pub stdin: bool,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerminalSize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecEnd {
    /// With this code.
    ExitCode(i64),
    /// It was lost sight of; why.
    Error(String),
}

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// For the command's stdin.
    Stdin(Vec<u8>),
    /// Of the command's stdout; all it says, where it has a terminal. An empty one breaks a silence.
    Stdout(Vec<u8>),
    /// Of the command's stderr.
    Stderr(Vec<u8>),
    /// The command ended, and nothing follows.
    End(ExecEnd),
    /// The terminal has another size.
    Resize(TerminalSize),
    /// Nothing more comes for the command's stdin.
    StdinClosed,
}

/// What came is no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A channel that does not exist.
    #[error("there is no channel {0}")]
    UnknownChannel(u8),
    /// A payload past its bound.
    #[error("a frame of {0} bytes is longer than the {PAYLOAD_BYTES_MAX} that one may have")]
    TooLong(u32),
    /// A payload that is not what its channel holds.
    #[error("a frame of channel {channel} could not be read: {reason}")]
    Unreadable {
        /// The channel.
        channel: u8,
        /// The parser's words.
        reason: String,
    },
}

impl Frame {
    /// Appends the frame as it goes over the wire; data past [`PAYLOAD_BYTES_MAX`] as several.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Stdin(data) => write_data(0, data, out),
            Self::Stdout(data) => write_data(1, data, out),
            Self::Stderr(data) => write_data(2, data, out),
            Self::End(end) => write_json(3, &end.bounded(), out),
            Self::Resize(size) => write_json(4, size, out),
            Self::StdinClosed => write(5, &[], out),
        }
    }

    fn read(channel: u8, payload: &[u8]) -> Result<Self, FrameError> {
        Ok(match channel {
            0 => Self::Stdin(payload.to_vec()),
            1 => Self::Stdout(payload.to_vec()),
            2 => Self::Stderr(payload.to_vec()),
            3 => Self::End(read_json(channel, payload)?),
            4 => Self::Resize(read_json(channel, payload)?),
            5 => Self::StdinClosed,
            other => return Err(FrameError::UnknownChannel(other)),
        })
    }
}

impl fmt::Debug for Frame {
    /// Without the data, which may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin(data) => write!(f, "Stdin({} bytes)", data.len()),
            Self::Stdout(data) => write!(f, "Stdout({} bytes)", data.len()),
            Self::Stderr(data) => write!(f, "Stderr({} bytes)", data.len()),
            Self::End(end) => write!(f, "End({end:?})"),
            Self::Resize(size) => write!(f, "Resize({}x{})", size.columns, size.rows),
            Self::StdinClosed => f.write_str("StdinClosed"),
        }
    }
}

impl ExecEnd {
    /// With words that fit into a frame, however JSON swells them.
    fn bounded(&self) -> Self {
        /// A character takes six bytes at most where JSON escapes it.
        const WORDS_BYTES_MAX: usize = PAYLOAD_BYTES_MAX / 8;
        match self {
            Self::Error(words) if words.len() > WORDS_BYTES_MAX => {
                Self::Error(words[..words.floor_char_boundary(WORDS_BYTES_MAX)].to_owned())
            }
            other => other.clone(),
        }
    }
}

/// Finds the frames in what arrives. Holds no more than one frame and what was pushed last.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Bytes at the front that were handed on.
    taken: usize,
}

impl Frames {
    /// Takes what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` where more has to arrive first.
    ///
    /// # Errors
    /// What came is no frame; nothing that follows can be found then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.buffer[self.taken..];
        let Some((&[channel, a, b, c, d], rest)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        if channel > CHANNEL_LAST {
            return Err(FrameError::UnknownChannel(channel));
        }
        let said = u32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(said).ok().filter(|length| *length <= PAYLOAD_BYTES_MAX);
        let length = length.ok_or(FrameError::TooLong(said))?;
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::read(channel, payload)?;
        self.taken += HEADER_BYTES + length;
        Ok(Some(frame))
    }
}

fn write_data(channel: u8, data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        write(channel, data, out);
    }
    for chunk in data.chunks(PAYLOAD_BYTES_MAX) {
        write(channel, chunk, out);
    }
}

fn write_json(channel: u8, value: &impl Serialize, out: &mut Vec<u8>) {
    // A struct of numbers or one of text always becomes JSON.
    write(channel, &serde_json::to_vec(value).unwrap_or_default(), out);
}

fn write(channel: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(channel);
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(payload);
}

fn read_json<'a, T: Deserialize<'a>>(channel: u8, payload: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(payload)
        .map_err(|error| FrameError::Unreadable { channel, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let data = || prop::collection::vec(any::<u8>(), 0..200);
        prop_oneof![
            data().prop_map(Frame::Stdin),
            data().prop_map(Frame::Stdout),
            data().prop_map(Frame::Stderr),
            any::<i64>().prop_map(|code| Frame::End(ExecEnd::ExitCode(code))),
            any::<String>().prop_map(|words| Frame::End(ExecEnd::Error(words))),
            any::<(u16, u16)>().prop_map(|(columns, rows)| Frame::Resize(TerminalSize { columns, rows })),
            Just(Frame::StdinClosed),
        ]
    }

    fn written(frames: &[Frame]) -> Vec<u8> {
        let mut out = Vec::new();
        for frame in frames {
            frame.write_to(&mut out);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        frames.push(bytes);
        while let Some(frame) = frames.next_frame()? {
            found.push(frame);
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            sent in prop::collection::vec(any_frame(), 0..12),
            size in 1_usize..300,
        ) {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for chunk in written(&sent).chunks(size) {
                frames.push(chunk);
                while let Some(frame) = frames.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            prop_assert_eq!(found, sent);
        }
    }

    #[test]
    fn a_frame_is_written_as_it_is_documented() {
        assert_eq!(written(&[Frame::Stderr(b"ab".to_vec())]), b"\x02\0\0\0\x02ab");
        assert_eq!(written(&[Frame::End(ExecEnd::ExitCode(7))]), b"\x03\0\0\0\x0e{\"exitCode\":7}");
        assert_eq!(written(&[Frame::End(ExecEnd::Error("no".into()))]), b"\x03\0\0\0\x0e{\"error\":\"no\"}");
        let size = TerminalSize { columns: 80, rows: 24 };
        assert_eq!(written(&[Frame::Resize(size)]), b"\x04\0\0\0\x18{\"columns\":80,\"rows\":24}");
        assert_eq!(written(&[Frame::StdinClosed]), b"\x05\0\0\0\0");
    }

    #[test]
    fn much_data_goes_into_several_frames_and_long_words_are_cut() {
        let data = vec![b'x'; PAYLOAD_BYTES_MAX + 1];
        let lengths: Vec<_> = read(&written(&[Frame::Stdout(data)]))
            .unwrap()
            .into_iter()
            .map(|frame| if let Frame::Stdout(data) = frame { data.len() } else { 0 })
            .collect();
        assert_eq!(lengths, [PAYLOAD_BYTES_MAX, 1]);
        let words = Frame::End(ExecEnd::Error("\u{1}".repeat(PAYLOAD_BYTES_MAX)));
        assert_eq!(read(&written(&[words])).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_frame_is_refused_before_its_payload_is_waited_for() {
        assert_eq!(read(&[1, 0, 1, 0, 1]), Err(FrameError::TooLong(65_537)));
        assert_eq!(read(&[9, 0, 0, 0, 0]), Err(FrameError::UnknownChannel(9)));
        assert!(matches!(read(b"\x04\0\0\0\x02{}"), Err(FrameError::Unreadable { channel: 4, .. })));
    }
}
