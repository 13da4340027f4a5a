//! One test phone: signalling, media, ears, diary and story under one `handle`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::analysis;
use crate::config::Encryption;
use crate::config::PhoneConfig;
use crate::log::{CallSummary, Ending, Entry, Event, Log};
use crate::media::dtls::{Certificate, Handshake};
use crate::media::gcm::GcmStream;
use crate::media::keypad::Keys;
use crate::media::recorder::{Received, Recorder, sample_number};
use crate::media::sender::{Audio, Sender, Sent};
use crate::media::srtp::SecureStream;
use crate::random::Random;
use crate::runner::Runner;
use crate::script::{Outcome, Script};
use crate::sdp::MediaDirection;
use crate::sip::agent::{Agent, Signal};

/// Share of a window for which audio must come before a tone is called absent.
const COVERED: f64 = 0.8;

/// Which of a phone's three ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// Signalling.
    Sip,
    /// Audio and telephone events.
    Rtp,
    /// One above RTP.
    Rtcp,
}

/// What a phone can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Place a call.
    Call,
    /// Answer the call that rings.
    Answer,
    /// Refuse the call that rings, with a status of 300 to 699.
    Reject(u16),
    /// CANCEL the call that is not answered.
    Cancel,
    /// Hang up, cancel or decline, as the call's state asks.
    HangUp,
    /// re-INVITE with sendonly; nothing is sent meanwhile.
    Hold,
    /// re-INVITE with sendrecv.
    Resume,
    /// re-INVITE with another certificate, where keys come by DTLS.
    Renew,
    /// The same, with this address for media in SDP from here on: of a phone that moved behind a NAT.
    Name(SocketAddr),
    /// Send any request within the call: its method and headers of its own.
    Ask(&'static str, Vec<(String, String)>),
    /// Press keys after those still in the queue.
    Press(Keys),
    /// Change what it says.
    Say(Audio),
    /// Play a story; one that is under way is dropped.
    Run(Script),
    /// Some phone's story has come to this mark.
    Mark(String),
    /// Send and hear nothing any more.
    Vanish,
}

/// What comes into a phone.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram; anything may be in it.
    Datagram {
        /// The port it came to.
        port: Port,
        /// Where it came from.
        source: SocketAddr,
        /// What it holds.
        bytes: &'a [u8],
    },
    /// An order.
    Command(Command),
    /// The time that [`Phone::poll_timeout`] named has come.
    Timeout,
}

/// A datagram that a phone sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The port it leaves from.
    pub from: Port,
    /// Where it goes.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A telephone with one call at a time.
pub struct Phone {
    pub(crate) agent: Agent,
    pub(crate) sender: Sender,
    pub(crate) recorder: Recorder,
    pub(crate) log: Log,
    pub(crate) runner: Runner,
    pub(crate) marks: VecDeque<String>,
    random: Random,
    transmits: VecDeque<Transmit>,
    keys_logged: usize,
    plugged: Plug,
    /// While the call is encrypted by keys in SDP.
    secure: Option<SecureStream>,
    /// While it is, or is to be, by keys of a handshake.
    shaken: Option<Shaken>,
    certificate: Option<Certificate>,
}

/// A call whose keys come by DTLS.
struct Shaken {
    handshake: Handshake,
    /// Where the far end is.
    to: Option<SocketAddr>,
    /// From the keys on.
    stream: Option<GcmStream>,
    /// The next agreement begins another handshake.
    is_stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plug {
    In,
    Pulled,
}

impl Phone {
    /// A phone on the hook.
    #[must_use]
    pub fn new(config: PhoneConfig) -> Self {
        let mut random = Random::new(config.seed);
        let times = (config.key_on, config.key_gap);
        let sender = Sender::new(&config.name, config.digit_mode, times);
        let recorder = Recorder::new(config.keep);
        let certificate = (config.encryption == Encryption::Dtls).then(Certificate::new);
        let wrong = config.faults.wrong_fingerprint;
        let fingerprint = certificate
            .as_ref()
            .map(|certificate| if wrong { [7; 32] } else { certificate.fingerprint() });
        let agent = Agent::new(config, Random::new(random.next_u64()), fingerprint);
        Self {
            agent,
            sender,
            recorder,
            log: Log::default(),
            runner: Runner::default(),
            marks: VecDeque::new(),
            random,
            transmits: VecDeque::new(),
            keys_logged: 0,
            plugged: Plug::In,
            secure: None,
            shaken: None,
            certificate,
        }
    }

    /// Applies one input at `now`, a time since the start that must not go backwards.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.plugged == Plug::Pulled {
            return;
        }
        match input {
            Input::Datagram { port: Port::Sip, source, bytes } => {
                self.agent.handle_datagram(now, source, bytes);
            }
            Input::Datagram { port: Port::Rtp, source, bytes } => self.hear(now, source, bytes),
            Input::Datagram { port: Port::Rtcp, bytes, .. } => {
                let is_report = self.secure.as_ref().is_none_or(|secure| secure.is_report(bytes));
                self.recorder.received.rtcp += u64::from(is_report);
            }
            Input::Command(command) => self.obey(now, command),
            Input::Timeout => {}
        }
        self.advance(now);
    }

    /// The next datagram to send, until `None`.
    pub fn poll_output(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// When to call [`Phone::handle`] with [`Input::Timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.plugged == Plug::Pulled {
            return None;
        }
        let shaken = self.shaken.as_ref().and_then(|shaken| shaken.handshake.next_timeout());
        let (agent, sender) = (self.agent.next_timeout(), self.sender.next_timeout());
        let timers = [agent, sender, self.runner.next_timeout(), shaken];
        timers.into_iter().flatten().min()
    }

    /// Marks that this phone's story has come to and that other phones must be told of.
    pub fn poll_mark(&mut self) -> Option<String> {
        self.marks.pop_front()
    }

    /// What the phone is made of.
    #[must_use]
    pub fn config(&self) -> &PhoneConfig {
        self.agent.config()
    }

    /// Everything that happened, in order.
    #[must_use]
    pub fn log(&self) -> &[Entry] {
        self.log.entries()
    }

    /// All calls, in order.
    #[must_use]
    pub fn calls(&self) -> &[CallSummary] {
        self.log.calls()
    }

    /// The last call.
    #[must_use]
    pub fn call(&self) -> Option<&CallSummary> {
        self.log.calls().last()
    }

    /// Whether a call is answered and not over.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.call().is_some_and(|call| call.answered_at.is_some() && call.ending.is_none())
    }

    /// Outcomes of the story's steps that wait or judge, so far.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        self.runner.outcomes()
    }

    /// What failed and was tried again, in the order of time.
    #[must_use]
    pub fn repeats(&self) -> &[Outcome] {
        self.runner.repeats()
    }

    /// Whether the story is over and no message waits for an answer.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.plugged == Plug::Pulled || self.runner.is_done() && self.agent.is_quiet()
    }

    /// Notes as failed the step that the story has not got past, when nothing more will come.
    pub fn give_up_story(&mut self, now: Duration) {
        self.runner.give_up(now);
    }

    /// Samples of 8 kHz heard in a stretch of time; cut where the recording begins and ends.
    #[must_use]
    pub fn heard(&self, from: Duration, to: Duration) -> &[i16] {
        self.recorder.heard(from, to)
    }

    /// The time of the first sample that [`Phone::heard`] gives for the same `from`.
    #[must_use]
    pub fn heard_from(&self, from: Duration) -> Duration {
        self.recorder.starts_at(from)
    }

    /// Up to when audio has come.
    #[must_use]
    pub fn heard_until(&self) -> Duration {
        self.recorder.ends_at()
    }

    /// The share, 0 to 1, of a stretch of time for which audio came.
    #[must_use]
    pub fn coverage(&self, from: Duration, to: Duration) -> f64 {
        self.recorder.coverage(from, to)
    }

    /// Whether a tone was there in four fifths of a stretch of time.
    #[must_use]
    pub fn hears_tone(&self, hz: f64, from: Duration, to: Duration) -> bool {
        let wanted = sample_number(to).saturating_sub(sample_number(from));
        analysis::hears_tone(self.heard(from, to), wanted, hz)
    }

    /// Whether a tone was absent from a stretch of time for which audio came (four fifths of it).
    #[must_use]
    pub fn lacks_tone(&self, hz: f64, from: Duration, to: Duration) -> bool {
        self.coverage(from, to) >= COVERED && analysis::lacks_tone(self.heard(from, to), hz)
    }

    /// Loudness of a stretch of time in dB of full scale.
    #[must_use]
    pub fn rms_dbfs(&self, from: Duration, to: Duration) -> f64 {
        analysis::rms_dbfs(self.heard(from, to))
    }

    /// Whether nothing was heard: digital silence, near silence, or no packets.
    #[must_use]
    pub fn silent(&self, from: Duration, to: Duration) -> bool {
        analysis::is_silent(self.heard(from, to))
    }

    /// When a prompt began, if it is in this stretch of time.
    #[must_use]
    pub fn heard_prompt(
        &self,
        prompt: &analysis::Prompt,
        from: Duration,
        to: Duration,
    ) -> Option<Duration> {
        let found = prompt.find(self.heard(from, to))?;
        let shift = crate::media::recorder::time_of(found.offset.unsigned_abs());
        let start = self.heard_from(from);
        Some(if found.offset < 0 { start.saturating_sub(shift) } else { start + shift })
    }

    /// Counts of what came to the RTP and RTCP ports.
    #[must_use]
    pub fn received(&self) -> Received {
        self.recorder.received
    }

    /// Whether the call is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.secure.is_some() || self.shaken.as_ref().is_some_and(|it| it.stream.is_some())
    }

    /// RTP packets sent.
    #[must_use]
    pub fn rtp_sent(&self) -> u32 {
        self.sender.packets()
    }

    /// Datagrams on the SIP port that were no SIP.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.agent.unreadable()
    }

    pub(crate) fn obey(&mut self, now: Duration, command: Command) {
        match command {
            Command::Call => self.agent.call(now),
            Command::Answer => self.agent.answer(now),
            Command::Reject(status) => self.agent.refuse(now, status),
            Command::Cancel => self.agent.cancel(now),
            Command::HangUp => self.agent.hang_up(now),
            Command::Hold => self.agent.reinvite(now, MediaDirection::SendOnly),
            Command::Resume => self.agent.reinvite(now, MediaDirection::SendReceive),
            Command::Renew => self.renew(now),
            Command::Name(address) => {
                self.agent.name(address);
                self.renew(now);
            }
            Command::Ask(method, headers) => self.agent.ask(now, method, &headers),
            Command::Press(keys) => self.sender.press(&keys),
            Command::Say(audio) => self.sender.say(audio),
            Command::Run(script) => self.runner.start(script),
            Command::Mark(name) => self.runner.see_mark(name),
            Command::Vanish => self.vanish(now),
        }
        self.take_signals(now);
    }

    fn renew(&mut self, now: Duration) {
        let certificate = Certificate::new();
        self.agent.certify(certificate.fingerprint());
        self.certificate = Some(certificate);
        if let Some(shaken) = &mut self.shaken {
            shaken.is_stale = true;
        }
        self.agent.reinvite(now, MediaDirection::SendReceive);
    }

    fn vanish(&mut self, now: Duration) {
        if !self.agent.is_idle() {
            self.log.push(now, Event::Ended(Ending::Vanished));
        }
        self.sender.stop();
        self.transmits.clear();
        self.plugged = Plug::Pulled;
    }

    fn hear(&mut self, now: Duration, source: SocketAddr, bytes: &[u8]) {
        if self.agent.is_idle() {
            return;
        }
        let opened = match (&mut self.shaken, &mut self.secure) {
            (Some(shaken), _) if bytes.first().is_some_and(|first| (20..64).contains(first)) => {
                shaken.to = Some(source);
                shaken.handshake.handle(now, Some(bytes));
                return;
            }
            (Some(shaken), _) => shaken.stream.as_mut().and_then(|stream| stream.open(bytes)),
            (None, Some(secure)) => secure.open(bytes),
            (None, None) => Some(bytes.to_vec()),
        };
        // What is not authentic is as good as no packet.
        if self.recorder.handle(now, &opened.unwrap_or_default()) {
            self.log.push(now, Event::AudioReceived);
        }
    }

    /// Does everything that is due; afterwards no timer lies in the past.
    fn advance(&mut self, now: Duration) {
        loop {
            self.agent.handle_timeout(now);
            self.take_signals(now);
            // The far end hears of the phone before it hears from it.
            self.take_transmits();
            self.shake(now);
            self.sender.handle_timeout(now, self.agent.info_pending());
            self.take_sent(now);
            self.run_script(now);
            self.take_signals(now);
            self.take_transmits();
            if self.poll_timeout().is_none_or(|next| next > now) {
                return;
            }
        }
    }

    fn take_signals(&mut self, now: Duration) {
        while let Some(signal) = self.agent.poll_signal() {
            match signal {
                Signal::Log(event) => {
                    if matches!(event, Event::InviteSent { .. } | Event::InviteReceived { .. }) {
                        self.recorder.new_call();
                    }
                    self.log.push(now, event);
                }
                Signal::Media(agreed) => {
                    if self.secure.as_ref().map(|secure| secure.keys) != agreed.srtp {
                        self.secure = agreed.srtp.map(SecureStream::new);
                    }
                    let shaken = self.shaken.as_ref().filter(|shaken| !shaken.is_stale);
                    let far = shaken.map(|shaken| shaken.handshake.far());
                    if far != agreed.dtls {
                        let certificate = self.certificate.as_ref();
                        let begun = certificate.zip(agreed.dtls);
                        self.shaken = begun.map(|(certificate, far)| Shaken {
                            handshake: certificate.shake(now, far),
                            to: agreed.send_to,
                            stream: None,
                            is_stale: false,
                        });
                    }
                    self.sender.agree(now, agreed, &mut self.random);
                }
                Signal::Over(ending) => {
                    self.sender.stop();
                    (self.secure, self.shaken) = (None, None);
                    self.log.push(now, Event::Ended(ending));
                }
            }
        }
    }

    /// Goes on with the handshake, if there is one.
    fn shake(&mut self, now: Duration) {
        let Some(Shaken { handshake, to, stream, .. }) = &mut self.shaken else { return };
        if handshake.next_timeout().is_some_and(|at| at <= now) {
            handshake.handle(now, None);
        }
        let mute = self.agent.config().faults.no_handshake;
        while let Some(bytes) = handshake.poll_send() {
            if let Some(to) = to.filter(|_| !mute) {
                self.transmits.push_back(Transmit { from: Port::Rtp, to, bytes });
            }
        }
        if let Some(keys) = handshake.take_keys() {
            *stream = Some(GcmStream::new(&keys));
        }
    }

    fn take_sent(&mut self, now: Duration) {
        while let Some(sent) = self.sender.poll() {
            match sent {
                Sent::Rtp(to, mut bytes) => {
                    match (&mut self.shaken, &mut self.secure) {
                        (Some(Shaken { stream: Some(stream), .. }), _) => {
                            bytes = stream.protect(&bytes);
                        }
                        // Nothing is said before there are keys.
                        (Some(Shaken { stream: None, .. }), _) => continue,
                        (None, Some(secure)) => bytes = secure.protect(&bytes),
                        (None, None) => {}
                    }
                    self.transmits.push_back(Transmit { from: Port::Rtp, to, bytes });
                }
                // A port of its own would take a handshake of its own.
                Sent::Rtcp(..) if self.shaken.is_some() => {}
                Sent::Rtcp(to, mut bytes) => {
                    if let Some(secure) = &mut self.secure {
                        bytes = secure.protect_report(&bytes);
                    }
                    self.transmits.push_back(Transmit { from: Port::Rtcp, to, bytes });
                }
                Sent::Info { key, on } => {
                    let body =
                        format!("Signal={}\r\nDuration={}\r\n", key.character(), on.as_millis());
                    self.agent.info(now, "application/dtmf-relay", &body);
                }
            }
        }
        let pressed = self.sender.keys_pressed();
        if self.sender.keys_done() && pressed > self.keys_logged {
            let count = pressed - self.keys_logged;
            self.keys_logged = pressed;
            self.log.push(now, Event::KeysSent { count });
        }
    }

    fn take_transmits(&mut self) {
        while let Some((to, bytes)) = self.agent.poll_transmit() {
            if self.plugged == Plug::In {
                self.transmits.push_back(Transmit { from: Port::Sip, to, bytes });
            }
        }
    }
}
