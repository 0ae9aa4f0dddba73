//! Takes apart the one stream in which an engine sends stdout and stderr.
//!
//! Each frame is a byte that names the stream, three of nothing, four of length, and the payload. A payload is handed
//! on in the pieces in which it arrives, so that memory is bounded by what was read and not by what a length says.

use bytes::{Buf as _, Bytes, BytesMut};

const HEADER_BYTES: usize = 8;
/// What is read at once: engines send no longer frames.
const READ_BYTES: usize = 32 << 10;
/// A read is worth a system call from this many free bytes on.
const READ_BYTES_MIN: usize = 4 << 10;

/// Which stream a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

/// The engine sent what is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine sent what is no frame: it begins with {0:02x?}")]
pub(super) struct BadFrame([u8; 4]);

/// What was read and not yet handed on.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: BytesMut,
    channel: Option<Channel>,
    /// Bytes that the payload still has.
    left: usize,
}

impl Frames {
    /// Begins with what was read already.
    pub(super) fn new(early: &[u8]) -> Self {
        Self { buffer: BytesMut::from(early), ..Self::default() }
    }

    /// Free space to read into; never empty after [`Self::next`] gave `None`.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES_MIN {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    /// The next piece of a payload; `None` where more has to be read first.
    pub(super) fn next(&mut self) -> Result<Option<(Channel, Bytes)>, BadFrame> {
        loop {
            if let Some(channel) = self.channel.filter(|_| self.left > 0) {
                let length = self.left.min(self.buffer.len());
                self.left -= length;
                let piece = self.buffer.split_to(length).freeze();
                return Ok((!piece.is_empty()).then_some((channel, piece)));
            }
            let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
            let [kind, zeroes @ .., a, b, c, d] = *header;
            self.channel = Some(match (kind, zeroes) {
                // 0 is the echo of a stdin, which belongs to its stdout.
                (0 | 1, [0, 0, 0]) => Channel::Stdout,
                (2, [0, 0, 0]) => Channel::Stderr,
                _ => return Err(BadFrame([kind, zeroes[0], zeroes[1], zeroes[2]])),
            });
            self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.buffer.advance(HEADER_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], payload].concat()
    }

    /// Both streams, after feeding the bytes in pieces of the given sizes, over and over.
    fn taken_apart(mut bytes: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Vec<u8>), BadFrame> {
        let (mut frames, mut stdout, mut stderr) = (Frames::default(), Vec::new(), Vec::new());
        let mut sizes = sizes.iter().cycle();
        while !bytes.is_empty() {
            let count = (*sizes.next().unwrap()).clamp(1, bytes.len());
            frames.room().extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            while let Some((channel, piece)) = frames.next()? {
                match channel {
                    Channel::Stdout => stdout.extend_from_slice(&piece),
                    Channel::Stderr => stderr.extend_from_slice(&piece),
                }
            }
        }
        Ok((stdout, stderr))
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_streams(
            sent in prop::collection::vec((1_u8..=2, prop::collection::vec(any::<u8>(), 0..60)), 0..12),
            sizes in prop::collection::vec(1_usize..40, 1..6),
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
            let of = |wanted: u8| -> Vec<u8> {
                sent.iter().filter(|(kind, _)| *kind == wanted).flat_map(|(_, payload)| payload.clone()).collect()
            };
            prop_assert_eq!(taken_apart(&bytes, &sizes).unwrap(), (of(1), of(2)));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let refused = taken_apart(b"HTTP/1.1 200 OK", &[64]).unwrap_err();
        assert_eq!(refused.to_string(), "the engine sent what is no frame: it begins with [48, 54, 54, 50]");
        assert!(taken_apart(&frame(3, b"x"), &[64]).is_err());
        assert!(taken_apart(&[1, 0, 1, 0, 0, 0, 0, 0], &[64]).is_err());
    }

    #[test]
    fn a_frame_that_says_it_is_huge_is_never_held_as_a_whole() {
        let mut frames = Frames::new(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(frames.next(), Ok(None));
        for _ in 0..1000 {
            frames.room().extend_from_slice(&[b'x'; READ_BYTES_MIN]);
            assert_eq!(frames.next().unwrap().unwrap().1.len(), READ_BYTES_MIN);
            assert!(frames.buffer.capacity() <= READ_BYTES + READ_BYTES_MIN);
        }
    }
}
