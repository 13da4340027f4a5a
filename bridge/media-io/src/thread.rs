//! The media thread: owns a worker and its sockets, and gives both their time.
//!
//! The thread wakes every 5 ms, takes commands and waiting datagrams, and at every fourth waking
//! lets the worker tick. Deadlines are sums of the first one, so that the 20 ms do not drift. What
//! a datagram or a command means is the worker's; this file knows only ports and time.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use partyline_media::{Channel, Command, Event, Frame, Sink, Worker};
use partyline_model::{LegKey, RecordingId, Time};
use rtrb::{Consumer, Producer};
use rustix::thread::CpuSet;
use thread_priority::{
    Error, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::clock::Clock;
use crate::config::Config;
use crate::ring::{self, Commands, EventSender, Outlet, Worth};
use crate::stats::Stats;
use crate::udp::{Received, Sent, Sockets};

/// How often datagrams and commands are taken.
const SLOT: Duration = Duration::from_millis(5);
/// Slots in a tick of the worker.
const SLOTS_PER_TICK: u32 = 4;
/// 20 ms, a packet of each leg.
const TICK: Duration = Duration::from_millis(20);
const TICKS_PER_SECOND: u64 = 50;
/// Work without any waiting for longer than this is broken off for a slot: a thread of real-time
/// priority must leave the core to others, whatever there is to do.
const LONGEST_WORK: Duration = Duration::from_millis(500);
/// A thread that is further behind than this leaves ticks out.
const MOST_BEHIND: Duration = Duration::from_millis(100);

/// 20 ms of a recording.
#[derive(Clone, Copy)]
pub struct RecordingFrame {
    /// The recording it belongs to.
    pub recording: RecordingId,
    /// Linear PCM at 8 kHz.
    pub samples: Frame,
}

/// A media thread could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The system has no thread to give.
    #[error("cannot start the media thread")]
    Thread(#[source] io::Error),
    /// The system has no epoll descriptor to give; is the limit of open files reached?
    #[error("cannot watch the media sockets")]
    Epoll(#[source] io::Error),
}

/// A media thread and all that leads to it. Its parts may go to different owners.
pub struct MediaHandle {
    /// Tells the thread what to do.
    pub commands: Commands<Command>,
    /// What the worker has to say, and whether ports could be bound.
    pub events: Outlet<Event>,
    /// Frames of running recordings.
    pub recordings: Outlet<RecordingFrame>,
    /// What the thread counts.
    pub stats: Arc<Stats>,
    /// The thread itself.
    pub thread: Running,
}

/// A running media thread. Dropping it stops the thread and waits for its end.
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Ends the thread within 5 ms and waits for it; its ports are free afterwards.
    ///
    /// Close legs first and let a tick pass: their far ends are then told by RTCP BYE.
    ///
    /// # Errors
    /// [`Panicked`] when the thread had ended by a panic.
    pub fn stop(mut self) -> Result<(), Panicked> {
        self.end()
    }

    /// Whether the thread runs. It ends by itself only by a panic.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn end(&mut self) -> Result<(), Panicked> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| Panicked),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is left to tell of a panic, whose message has been printed.
        self.end().ok();
    }
}

/// The media thread ended by a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the media thread panicked")]
pub struct Panicked;

/// Starts media threads.
pub struct MediaThread {
    clock: Clock,
    worker: Worker,
    sockets: Sockets,
    commands: Consumer<Command>,
    events: EventSender<Event>,
    recordings: Producer<RecordingFrame>,
    stats: Arc<Stats>,
    stop: Arc<AtomicBool>,
    on_event: Box<dyn Fn() + Send>,
    /// Answers of this thread itself, not yet in `events`.
    answers: VecDeque<Event>,
    /// Legs that say goodbye at the next tick.
    closing: Vec<LegKey>,
}

impl MediaThread {
    /// Starts a thread that drives `worker` by `clock`, which the rest of the node shares.
    ///
    /// `on_event` is called on the media thread when there is something new to poll in
    /// [`MediaHandle::events`]; it is to wake somebody and return.
    ///
    /// # Errors
    /// [`SpawnError`] when the system lacks a thread or a descriptor. A core that cannot be had is
    /// not an error: the thread then runs on any.
    pub fn spawn(
        config: &Config,
        clock: Clock,
        worker: Worker,
        on_event: Box<dyn Fn() + Send>,
    ) -> Result<MediaHandle, SpawnError> {
        let sockets = Sockets::new(&config.addresses, config.dscp).map_err(SpawnError::Epoll)?;
        let (commands, commands_in) = ring::commands(config.commands);
        let (events_out, events) = ring::outlet(config.events);
        let (recordings_out, recordings) = ring::outlet(config.recording_frames);
        let stats = Arc::new(Stats::default());
        let stop = Arc::new(AtomicBool::new(false));
        let thread = Self {
            clock,
            worker,
            sockets,
            commands: commands_in,
            events: EventSender::new(events_out, config.events),
            recordings: recordings_out,
            stats: Arc::clone(&stats),
            stop: Arc::clone(&stop),
            on_event,
            answers: VecDeque::new(),
            closing: Vec::new(),
        };
        let (core, realtime) = (config.core, config.realtime);
        let thread = Builder::new()
            .name(format!("media-{}", config.number))
            .spawn(move || {
                if core.is_some_and(|core| !pin_to(core)) {
                    thread.stats.cores_refused.one_more();
                }
                let number = rustix::thread::gettid().as_raw_nonzero().get();
                thread.stats.began(number, realtime.map(take_priority));
                thread.run();
            })
            .map_err(SpawnError::Thread)?;
        let thread = Running { stop, thread: Some(thread) };
        Ok(MediaHandle { commands, events, recordings, stats, thread })
    }

    fn run(mut self) {
        let mut deadline = self.clock.now();
        let mut slot = 0;
        let mut rested = deadline;
        while !self.stop.load(Ordering::Relaxed) {
            deadline += SLOT;
            let waited = self.clock.wait_until(deadline);
            if waited || self.rest_after_long_work(rested) {
                rested = self.clock.now();
            }
            let skipped = ticks_to_skip(self.clock.now() - deadline);
            self.stats.ticks_skipped.add(u64::from(skipped));
            if skipped > 0 {
                deadline += TICK * skipped;
                self.worker.skip(skipped);
            }
            self.handle_commands();
            self.receive(deadline + SLOT);
            slot = (slot + 1) % SLOTS_PER_TICK;
            if slot == 0 {
                self.tick(deadline);
            }
            self.give_out_events();
        }
    }

    /// Leaves the core to others for a slot when the thread has worked since `rested` for too long.
    fn rest_after_long_work(&self, rested: Time) -> bool {
        let now = self.clock.now();
        let too_long = must_rest(rested, now);
        if too_long {
            self.stats.rests.one_more();
            self.clock.wait_until(now + SLOT);
        }
        too_long
    }

    fn handle_commands(&mut self) {
        // No more than were waiting: commands that keep coming cannot keep the tick waiting.
        for _ in 0..self.commands.slots() {
            let Ok(command) = self.commands.pop() else { return };
            let now = self.clock.now();
            match command {
                Command::Open { leg, port } => self.open(leg, port),
                Command::Close { leg } => {
                    self.closing.push(leg);
                    self.worker.handle_command(now, Command::Close { leg });
                }
                other @ (Command::Start { .. }
                | Command::Update { .. }
                | Command::Acknowledge { .. }
                | Command::Keys { .. }
                | Command::Handshake { .. }
                | Command::Play { .. }
                | Command::StopPlay { .. }
                | Command::Music { .. }
                | Command::Join { .. }
                | Command::Leave { .. }
                | Command::Talk { .. }
                | Command::SendKeys { .. }
                | Command::PlayRoom { .. }
                | Command::HushRoom { .. }
                | Command::Record { .. }
                | Command::PauseRecord { .. }
                | Command::StopRecord { .. }
                | Command::InfoDigit { .. }) => self.worker.handle_command(now, other),
            }
        }
    }

    fn open(&mut self, leg: LegKey, port: u16) {
        let event = match self.sockets.open(leg, port) {
            Ok(()) => Event::Opened { leg },
            Err(_) => {
                self.stats.ports_refused.one_more();
                Event::PortTaken { leg, port }
            }
        };
        self.answers.push_back(event);
    }

    /// Takes datagrams until none waits, or until `end`, for the tick comes first. A thread that
    /// is behind still takes one batch, lest it tick without hearing.
    fn receive(&mut self, end: Time) {
        loop {
            let ready = self.sockets.look();
            if ready == 0 {
                return;
            }
            let now = self.clock.now();
            for index in 0..ready {
                self.receive_one(now, index);
            }
            if now >= end {
                self.stats.receive_cut_short.one_more();
                return;
            }
        }
    }

    fn receive_one(&mut self, now: Time, index: usize) {
        let Some((leg, channel, received)) = self.sockets.receive(index) else { return };
        match received {
            Received::Datagram(source, datagram) => {
                self.stats.received.one_more();
                self.worker.handle_packet(now, leg, channel, source, datagram);
            }
            Received::Oversize => {
                self.stats.received.one_more();
                self.stats.oversize.one_more();
            }
            Received::Failed => self.stats.receive_errors.one_more(),
            Received::Nothing => {}
        }
    }

    fn tick(&mut self, due: Time) {
        let now = self.clock.now();
        self.stats.tick_began(now - due);
        let mut outside = Outside {
            sockets: &self.sockets,
            recordings: &mut self.recordings,
            stats: &self.stats,
        };
        self.worker.tick(now, &mut outside);
        if self.stats.ticks.get().is_multiple_of(TICKS_PER_SECOND) {
            self.stats.set_dropped(&self.worker.dropped());
        }
        // Their BYE has gone out.
        for leg in self.closing.drain(..) {
            self.sockets.close(leg);
        }
    }

    fn give_out_events(&mut self) {
        let mut news = self.events.retry();
        while self.events.accepts() {
            let Some(event) = self.answers.pop_front().or_else(|| self.worker.poll_event()) else {
                break;
            };
            let worth = worth(&event);
            self.events.send(event, worth, &self.stats);
            news = true;
        }
        if news {
            (self.on_event)();
        }
    }
}

/// What the worker sends and records through.
struct Outside<'a> {
    sockets: &'a Sockets,
    recordings: &'a mut Producer<RecordingFrame>,
    stats: &'a Stats,
}

impl Sink for Outside<'_> {
    fn send(&mut self, leg: LegKey, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        match self.sockets.send(leg, channel, to, datagram) {
            Sent::Done => self.stats.sent.one_more(),
            Sent::Refused => self.stats.send_errors.one_more(),
            Sent::NoSocket => self.stats.unsendable.one_more(),
        }
    }

    fn record(&mut self, recording: RecordingId, samples: &Frame) {
        let frame = RecordingFrame { recording, samples: *samples };
        if self.recordings.push(frame).is_err() {
            self.stats.recording_frames_dropped.one_more();
        }
    }
}

/// Only a silence that goes on is told again, and what is lost of a handshake.
fn worth(event: &Event) -> Worth {
    match event {
        Event::Silent { .. } | Event::Handshake { .. } => Worth::Passing,
        Event::Opened { .. }
        | Event::PortTaken { .. }
        | Event::FirstPacket { .. }
        | Event::Digit { .. }
        | Event::KeysSent { .. }
        | Event::PlaybackDone { .. }
        | Event::RoomPlayed { .. }
        | Event::Resumed { .. }
        | Event::Stats { .. } => Worth::Lasting,
    }
}

/// Keeps the calling thread on `core`; false when the system does not let it.
fn pin_to(core: usize) -> bool {
    if core >= CpuSet::MAX_CPU {
        return false;
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).is_ok()
}

/// Whether the core was kept from others for too long.
fn must_rest(rested: Time, now: Time) -> bool {
    now - rested > LONGEST_WORK
}

/// Gives the calling thread a real-time priority.
fn take_priority(priority: u8) -> Result<(), String> {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let value = ThreadPriorityValue::try_from(priority).map_err(|error| error.to_string())?;
    let wanted = ThreadPriority::Crossplatform(value);
    set_thread_priority_and_policy(thread_native_id(), wanted, policy).map_err(
        |error| match error {
            Error::OS(number) => io::Error::from_raw_os_error(number).to_string(),
            other @ (Error::Priority(_) | Error::PriorityNotInRange(_) | Error::Ffi(_)) => {
                format!("{other:?}")
            }
        },
    )
}

/// How many ticks a thread that is `behind` its deadline leaves out, so that it does not do all
/// of them at once.
fn ticks_to_skip(behind: Duration) -> u32 {
    if behind <= MOST_BEHIND {
        return 0;
    }
    u32::try_from(behind.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_ticks_are_caught_up_and_more_are_left_out() {
        let cases = [(0, 0), (19, 0), (100, 0), (101, 5), (119, 5), (120, 6), (60_000, 3_000)];
        for (behind, skipped) in cases {
            assert_eq!(ticks_to_skip(Duration::from_millis(behind)), skipped, "{behind} ms");
        }
        assert_eq!(ticks_to_skip(Duration::MAX), u32::MAX);
    }

    #[test]
    fn a_thread_that_has_worked_for_half_a_second_lets_others_run() {
        let at = |millis| Time::ZERO + Duration::from_millis(millis);
        assert!(!must_rest(at(1_000), at(1_000)) && !must_rest(at(1_000), at(1_500)));
        assert!(must_rest(at(1_000), at(1_501)));
    }

    #[test]
    fn a_core_that_is_not_there_is_refused() {
        assert!(!pin_to(CpuSet::MAX_CPU - 1));
        assert!(!pin_to(CpuSet::MAX_CPU));
    }
}
