//! The town hall as it is played.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::bridge::{Network, Passcodes};
use bridge_tests::real::cast::{Cast, Tale, line};
use bridge_tests::real::checks::{Checks, say};
use partyline_phones::{Audio, DigitMode, PhoneId, Script};

use crate::SETTLED;

const DIAL_IN: &str = "18005550199";
/// The moderator among the callers.
pub(crate) const HOST: usize = 0;
/// From one caller to the next, and from one raised hand to the next.
const APART: Duration = ms(25);
/// The moderator's tone, that of a muted caller, and that of who has the word, in Hz.
const HOST_HZ: f64 = 1000.0;
const MUTED_HZ: f64 = 620.0;
const WORD_HZ: f64 = 1500.0;
const VOICE_DBM0: f64 = -18.0;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The phones, and who does what.
pub(crate) struct Hall {
    cast: Cast,
    pub(crate) phones: Vec<PhoneId>,
    /// Who comes to the locked door.
    pub(crate) late: PhoneId,
    codes: Passcodes,
    late_at_most: Duration,
}

impl Hall {
    pub(crate) fn new(
        network: Network,
        bridge: SocketAddr,
        callers: usize,
        codes: Passcodes,
    ) -> Result<Self> {
        let mut cast = Cast::new()?;
        let mut phones = Vec::new();
        for place in 0..=callers {
            let name = format!("caller {place}");
            phones.push(cast.add(&name, line(network.phones())?, bridge, |phone| {
                phone.to = DIAL_IN.to_owned();
                phone.from = format!("+1416{:07}", 5_551_000 + place);
                phone.digit_mode = DigitMode::Info;
                (phone.key_on, phone.key_gap) = (ms(60), ms(40));
                phone.keep = secs(4);
            })?);
        }
        let late = phones.remove(callers);
        Ok(Self { cast, phones, late, codes, late_at_most: Duration::ZERO })
    }

    /// How late the phones were at most.
    pub(crate) fn late(&self) -> Duration {
        self.late_at_most.max(self.cast.late())
    }

    /// The Call-ID of a phone's only call.
    pub(crate) fn call_id(&self, phone: PhoneId) -> &str {
        self.cast.phone(phone).call().map_or("", |call| call.call_id.as_str())
    }

    /// Whether the bridge hung up on a phone.
    pub(crate) fn was_hung_up(&self, phone: PhoneId) -> bool {
        let ending = self.cast.phone(phone).call().and_then(|call| call.ending);
        ending == Some(partyline_phones::Ending::ByThem)
    }

    /// Who raises a hand, in the order of raising.
    pub(crate) fn hands(&self) -> Vec<usize> {
        let hands = self.phones.len() / 10;
        (0..hands).map(|place| 1 + (place * 7 % hands) * 9).collect()
    }

    pub(crate) fn play(&mut self, checks: &mut Checks) -> Result<()> {
        self.join(checks)?;
        let hands = self.hands();
        let turn = APART * 4;
        let raising = turn * u32::try_from(hands.len())? + SETTLED;
        self.act("hands are raised", raising, |hall| {
            for (place, &caller) in (0_u32..).zip(&hands) {
                hall.story(caller, |s| s.wait(turn * place).press("*5"));
            }
        })?;
        self.act("all are muted", secs(9), |hall| hall.story(HOST, |s| s.press("*95")))?;
        let [first, other] = [hands[0], hands[1]];
        self.act("three speak", SETTLED * 2, |hall| {
            hall.hum(HOST, HOST_HZ);
            hall.hum(other, MUTED_HZ);
            hall.hum(first, WORD_HZ);
        })?;
        self.listen(checks, "all are muted", &[(HOST, HOST_HZ)], &[MUTED_HZ, WORD_HZ]);
        self.act("one has the word", secs(9), |hall| hall.story(HOST, |s| s.press("*2")))?;
        let heard = [(HOST, HOST_HZ), (first, WORD_HZ)];
        self.listen(checks, "one has the word", &heard, &[MUTED_HZ]);
        self.act("the roll is called and the door locked", secs(7), |hall| {
            hall.story(HOST, |s| s.press("*8").wait(SETTLED).press("#").wait(SETTLED).press("*7"));
        })?;
        let code = format!("{}#", self.codes.participant);
        self.act("somebody comes too late", secs(20), |hall| {
            let script = Script::new().call().until_answered(secs(5)).wait(SETTLED);
            let script = script.press(&code).wait(secs(7)).press("2").until_over(secs(10));
            hall.cast.play(hall.late, Tale::new().then(|_| script));
        })?;
        self.act("the moderator ends it", secs(60), |hall| {
            hall.story(HOST, |s| s.press("*99").wait(SETTLED * 2).press("1"));
        })
    }

    fn join(&mut self, checks: &mut Checks) -> Result<()> {
        let codes = self.codes.clone();
        let joining = APART * u32::try_from(self.phones.len())? + secs(8);
        self.act("all call", joining, |hall| {
            for place in 0..hall.phones.len() {
                let code = if place == HOST { &codes.moderator } else { &codes.participant };
                let turn = APART * u32::try_from(place).unwrap_or(u32::MAX);
                hall.story(place, |s| {
                    let s = s.say(Audio::Silence).wait(turn).call();
                    s.until_answered(secs(10)).wait(SETTLED).press(&format!("{code}#"))
                });
            }
        })?;
        let up = self.phones.iter().filter(|&&phone| self.cast.phone(phone).is_up()).count();
        checks.check(up == self.phones.len(), "every caller is up", up);
        Ok(())
    }

    fn story(&mut self, caller: usize, more: impl FnOnce(Script) -> Script) {
        self.cast.play(self.phones[caller], Tale::new().then(more));
    }

    fn hum(&mut self, caller: usize, hz: f64) {
        let audio = Audio::Tone { hz, dbm0: VOICE_DBM0 };
        self.story(caller, |s| s.say(audio));
    }

    /// Begins something, and gives it this time.
    fn act(&mut self, what: &str, time: Duration, begin: impl FnOnce(&mut Self)) -> Result<()> {
        say(format_args!("{:6.1} s  {what}", self.cast.now().as_secs_f64()));
        begin(self);
        self.cast.carry(self.cast.now() + time)?;
        Ok(())
    }

    /// Every caller hears each of `heard` but himself, and none of `unheard`.
    fn listen(&self, checks: &mut Checks, when: &str, heard: &[(usize, f64)], unheard: &[f64]) {
        let (from, to) = (self.cast.now().saturating_sub(ms(1100)), self.cast.now() - ms(100));
        let mut wrong = Vec::new();
        for (caller, &id) in self.phones.iter().enumerate() {
            let phone = self.cast.phone(id);
            let hears =
                heard.iter().all(|&(who, hz)| who == caller || phone.hears_tone(hz, from, to));
            let lacks = unheard.iter().all(|&hz| !phone.hears_tone(hz, from, to));
            if !hears || !lacks {
                wrong.push(caller);
            }
        }
        let (all, some) = (self.phones.len(), wrong.len());
        checks.check(
            wrong.is_empty(),
            format_args!("{when}: every caller hears who may speak, and nobody else"),
            format_args!("{} of {all}; not {:?}", all - some, &wrong[..some.min(10)]),
        );
    }
}
