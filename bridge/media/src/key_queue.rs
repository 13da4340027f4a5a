//! Keys to be pressed for a far end, in their order. Knows neither when nor how.

use partyline_model::Digit;

/// Keys and pauses that a queue holds: an extension and a passcode, with room.
const CAPACITY: usize = 48;

/// One thing to do on a key pad.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// Press a key.
    Key(Digit),
    /// Wait for two seconds, as a comma in a dial string says.
    Pause,
}

/// Keys to be pressed one after the other.
///
/// They may be somebody's passcode: there is no `Debug`, and what has been taken out is wiped.
#[derive(Clone)]
pub struct KeyQueue {
    strokes: [Option<Stroke>; CAPACITY],
    first: usize,
    len: usize,
}

/// The queue is full, or a character stands for nothing that can be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKeys;

impl KeyQueue {
    /// No keys.
    pub const EMPTY: Self = Self { strokes: [None; CAPACITY], first: 0, len: 0 };

    /// The keys of a dial string such as `,,4711#`: a comma is a pause.
    ///
    /// # Errors
    /// [`NotKeys`] for any other character and for more than 48.
    pub fn dial(text: &str) -> Result<Self, NotKeys> {
        let mut queue = Self::EMPTY;
        for character in text.chars() {
            queue.push(match character {
                ',' => Stroke::Pause,
                key => Stroke::Key(Digit::from_char(key).map_err(|_| NotKeys)?),
            })?;
        }
        Ok(queue)
    }

    /// Puts one after the others.
    ///
    /// # Errors
    /// [`NotKeys`] when the queue is full.
    pub fn push(&mut self, stroke: Stroke) -> Result<(), NotKeys> {
        if self.len == CAPACITY {
            return Err(NotKeys);
        }
        self.strokes[(self.first + self.len) % CAPACITY] = Some(stroke);
        self.len += 1;
        Ok(())
    }

    /// Takes the first one out.
    pub fn pop(&mut self) -> Option<Stroke> {
        let stroke = self.strokes[self.first].take()?;
        self.first = (self.first + 1) % CAPACITY;
        self.len -= 1;
        Some(stroke)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mut queue: KeyQueue) -> String {
        std::iter::from_fn(|| queue.pop())
            .map(|stroke| match stroke {
                Stroke::Key(digit) => digit.to_char(),
                Stroke::Pause => ',',
            })
            .collect()
    }

    #[test]
    fn a_dial_string_is_taken_whole_or_not_at_all() {
        assert_eq!(KeyQueue::dial(",,12*#d,").map(text), Ok(",,12*#D,".to_owned()));
        assert_eq!(KeyQueue::dial("12x4").map(text), Err(NotKeys));
        assert_eq!(KeyQueue::dial(&"1".repeat(CAPACITY)).map(|q| text(q).len()), Ok(CAPACITY));
        assert_eq!(KeyQueue::dial(&"1".repeat(CAPACITY + 1)).map(text), Err(NotKeys));
    }

    #[test]
    fn what_was_taken_out_makes_room_and_is_wiped() {
        let mut queue = KeyQueue::dial(&"7".repeat(CAPACITY)).unwrap();
        assert!(queue.push(Stroke::Pause).is_err());
        assert!(queue.pop().is_some() && queue.push(Stroke::Pause).is_ok());
        while queue.pop().is_some() {}
        assert!(queue.is_empty() && queue.strokes.iter().all(Option::is_none));
    }
}
