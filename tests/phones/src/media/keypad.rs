//! Keys of a telephone and their way into the call: which 20 ms slot carries which part of which
//! key press. Says nothing about packets; the sender turns slots into RTP or INFO.
//!
//! A key may be part of a passcode: nothing here shows a key in Debug, only how many there are.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::tone::Sine;

/// One packet's worth of time.
pub(crate) const SLOT: Duration = Duration::from_millis(20);
/// Level of the low tone of a pair, ITU-T Q.24's usual sender.
const LOW_DBM0: f64 = -9.0;
/// Level of the high tone: 2 dB of twist for the line's slope.
const HIGH_DBM0: f64 = -7.0;
/// Rows and columns of the pad (Q.23), in the order of the events.
const PAIRS_HZ: [(f64, f64); 16] = [
    (941.0, 1336.0), // 0
    (697.0, 1209.0),
    (697.0, 1336.0),
    (697.0, 1477.0),
    (770.0, 1209.0),
    (770.0, 1336.0),
    (770.0, 1477.0),
    (852.0, 1209.0),
    (852.0, 1336.0),
    (852.0, 1477.0), // 9
    (941.0, 1209.0), // *
    (941.0, 1477.0), // #
    (697.0, 1633.0),
    (770.0, 1633.0),
    (852.0, 1633.0),
    (941.0, 1633.0), // D
];
/// Events 0 to 15 of RFC 4733 §3.2 in order.
const EVENTS: &[u8; 16] = b"0123456789*#ABCD";
/// What a comma in a dial string stands for.
const COMMA: Duration = Duration::from_secs(1);

/// How a phone tells the far end about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigitMode {
    /// RTP telephone events.
    Rfc4733,
    /// SIP INFO with application/dtmf-relay.
    Info,
    /// The two tones in the voice.
    InBand,
    /// Several at once for each key, or none but the tones although events were offered.
    Mixed(Signs),
}

/// What a key press is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// RTP telephone events.
    pub event: bool,
    /// The two tones in the voice.
    pub tone: bool,
    /// SIP INFO.
    pub info: bool,
}

impl DigitMode {
    /// What a key press is told by.
    pub(crate) fn signs(self) -> Signs {
        let only = Signs { event: false, tone: false, info: false };
        match self {
            Self::Rfc4733 => Signs { event: true, ..only },
            Self::Info => Signs { info: true, ..only },
            Self::InBand => Signs { tone: true, ..only },
            Self::Mixed(signs) => signs,
        }
    }

    /// Whether telephone events are offered.
    pub(crate) fn offers_events(self) -> bool {
        matches!(self, Self::Rfc4733 | Self::Mixed(_))
    }
}

/// One key of the sixteen, by its event code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u8);

impl Key {
    fn from_char(character: char) -> Option<Self> {
        let octet = u8::try_from(character.to_ascii_uppercase()).ok()?;
        let place = EVENTS.iter().position(|&event| event == octet)?;
        u8::try_from(place).ok().map(Self)
    }

    /// The event code of RFC 4733, 0..=15.
    pub(crate) fn event(self) -> u8 {
        self.0
    }

    /// The character that dtmf-relay carries.
    pub(crate) fn character(self) -> char {
        char::from(EVENTS[usize::from(self.0)])
    }

    /// The low and the high tone.
    pub(crate) fn pair(self) -> (f64, f64) {
        PAIRS_HZ[usize::from(self.0)]
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stroke {
    Key(Key),
    Pause,
}

/// Keys to press one after the other; a comma is a pause of one second. Debug shows the count only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Keys(Vec<Stroke>);

impl Keys {
    /// Takes the keys out of `text` and leaves out what a pad does not have.
    #[must_use]
    pub fn dial(text: &str) -> Self {
        Self(text.chars().filter_map(stroke).collect())
    }

    /// Takes `text` only when all of it can be pressed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.chars().map(stroke).collect::<Option<Vec<_>>>().map(Self)
    }

    /// How many keys, pauses left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().filter(|stroke| matches!(stroke, Stroke::Key(_))).count()
    }

    /// Whether there is nothing to press.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.len())
    }
}

fn stroke(character: char) -> Option<Stroke> {
    if character == ',' {
        return Some(Stroke::Pause);
    }
    Key::from_char(character).map(Stroke::Key)
}

/// What one 20 ms slot carries.
pub(crate) enum Slot {
    /// The voice.
    Voice,
    /// A part of a key press; `slots` counts those so far, this one included.
    Press { key: Key, slots: u16, last: bool, signs: Signs, tones: Vec<f64> },
}

enum Press {
    Idle,
    Down { key: Key, signs: Signs, done: u16, tones: (Sine, Sine) },
    Up { slots_left: u32 },
}

/// The queue of keys and the press under way.
pub(crate) struct Keypad {
    queue: VecDeque<Stroke>,
    press: Press,
    on_slots: u16,
    gap_slots: u32,
    pressed: usize,
}

impl Keypad {
    /// Both times are rounded up to whole slots, one at least.
    pub(crate) fn new(on: Duration, gap: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            press: Press::Idle,
            on_slots: u16::try_from(slots(on)).unwrap_or(u16::MAX / 160),
            gap_slots: slots(gap),
            pressed: 0,
        }
    }

    pub(crate) fn push(&mut self, keys: &Keys) {
        self.queue.extend(keys.0.iter().copied());
    }

    /// Lets go of everything: the call is over.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.press = Press::Idle;
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.press, Press::Idle)
    }

    /// Keys whose press has begun since the phone was made.
    pub(crate) fn pressed(&self) -> usize {
        self.pressed
    }

    /// Moves on by one slot. With `hold_back` no further key begins (an INFO is unanswered).
    pub(crate) fn next_slot(&mut self, signs: Signs, hold_back: bool) -> Slot {
        match &mut self.press {
            Press::Idle => self.begin(signs, hold_back),
            Press::Down { .. } => self.go_on(),
            Press::Up { slots_left } => {
                *slots_left = slots_left.saturating_sub(1);
                if *slots_left > 0 {
                    return Slot::Voice;
                }
                self.press = Press::Idle;
                self.begin(signs, hold_back)
            }
        }
    }

    fn begin(&mut self, signs: Signs, hold_back: bool) -> Slot {
        if hold_back {
            return Slot::Voice;
        }
        match self.queue.pop_front() {
            None => Slot::Voice,
            Some(Stroke::Pause) => {
                self.press = Press::Up { slots_left: slots(COMMA) };
                Slot::Voice
            }
            Some(Stroke::Key(key)) => {
                self.pressed += 1;
                let (low, high) = key.pair();
                let tones = (Sine::new(low, LOW_DBM0), Sine::new(high, HIGH_DBM0));
                self.press = Press::Down { key, signs, done: 0, tones };
                self.go_on()
            }
        }
    }

    fn go_on(&mut self) -> Slot {
        let Press::Down { key, signs, done, tones } = &mut self.press else { return Slot::Voice };
        *done += 1;
        let (key, last) = (*key, *done >= self.on_slots);
        let (low, high) = tones;
        let tones = (0..160).map(|_| low.next() + high.next()).collect();
        let slot = Slot::Press { key, slots: *done, last, signs: *signs, tones };
        if last {
            // The gap is counted when a slot of it begins, so one more than its length.
            self.press = Press::Up { slots_left: self.gap_slots + 1 };
        }
        slot
    }
}

fn slots(time: Duration) -> u32 {
    let count = time.as_nanos().div_ceil(SLOT.as_nanos()).max(1);
    u32::try_from(count).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mode: DigitMode, keys: &str, count: usize) -> String {
        let mut pad = Keypad::new(Duration::from_millis(60), Duration::from_millis(40));
        pad.push(&Keys::dial(keys));
        let slots = (0..count).map(|_| match pad.next_slot(mode.signs(), false) {
            Slot::Press { last: true, signs, .. } if signs.event => 'E',
            Slot::Press { signs, .. } if signs.event => 'e',
            Slot::Press { signs, .. } if signs.tone => 't',
            Slot::Press { key, slots: 1, .. } => key.character(),
            Slot::Press { .. } | Slot::Voice => '.',
        });
        slots.collect()
    }

    #[test]
    fn keys_take_their_slots_in_each_mode() {
        assert_eq!(run(DigitMode::Rfc4733, "12", 12), "eeE..eeE....");
        assert_eq!(run(DigitMode::InBand, "12", 12), "ttt..ttt....");
        assert_eq!(run(DigitMode::Info, "1#", 12), "1....#......");
    }

    #[test]
    fn comma_waits_a_second() {
        assert_eq!(run(DigitMode::Info, ",5", 52).find('5'), Some(50));
    }

    #[test]
    fn events_follow_the_order_of_the_standard() {
        let codes: Vec<u8> = "0123456789*#ABCD"
            .chars()
            .map(|character| Key::from_char(character).unwrap().event())
            .collect();
        assert_eq!(codes, (0..16).collect::<Vec<u8>>());
    }

    #[test]
    fn debug_shows_no_key() {
        let text = format!("{:?}", Keys::dial("4711#"));
        assert_eq!(text, "Keys(5)");
    }

    #[test]
    fn strict_parse_refuses_what_no_pad_has() {
        assert_eq!(Keys::parse("12x4"), None);
        assert_eq!(Keys::parse("1,2").map(|keys| keys.len()), Some(2));
    }
}
