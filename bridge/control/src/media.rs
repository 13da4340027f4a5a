//! Between the conference core and the media plane: commands down, events up.

use std::time::Duration;

use ipnet::IpNet;
use partyline_cdr_record::Quality;
use partyline_conference::{Input, Output as ConferenceOutput, Refusal, Talk};
use partyline_dialplan::Prompt;
use partyline_media::{
    AudioQueue, Command, Event, InBand, LegConfig, LegStats, Rtcp, Signalling, SrtpKeys,
    Talk as MediaTalk,
};
use partyline_model::{AudioId, CallId, LegKey, Time};
use partyline_sip::sdp::{Keying, Negotiated, Scope};
use partyline_sip::{DialogId, Hangup};

use crate::node::{Closing, Node, Output, or_ended};
use crate::outcome;
use crate::refusals::Cause;

impl Node {
    /// Does what the conference core wants.
    pub(crate) fn conference_output(&mut self, now: Time, output: ConferenceOutput) {
        // What was due for a leg before the conference heard that it is over: nobody is there any more.
        if let ConferenceOutput::Play { call, .. }
        | ConferenceOutput::StopPlay { call }
        | ConferenceOutput::Music { call, .. }
        | ConferenceOutput::Join { call, .. }
        | ConferenceOutput::Talk { call, .. } = &output
            && self.calls.get(*call).is_none()
        {
            return;
        }
        match output {
            ConferenceOutput::Persist { token, records } => {
                let records = self.with_dialogs(records);
                self.outputs.push_back(Output::Persist { token, records });
            }
            ConferenceOutput::Answer { call } => self.answer(now, call),
            ConferenceOutput::Reject { call, refusal, code } => {
                let cause = match refusal {
                    Refusal::Claim(why, _) => Cause::Claim(why.into()),
                    Refusal::UnknownNumber
                    | Refusal::Suspended
                    | Refusal::Full { .. }
                    | Refusal::Draining { .. }
                    | Refusal::NotDurable { .. } => Cause::CallFlow(code.get()),
                };
                self.reject(now, call, cause, outcome::rejection(refusal, code));
            }
            ConferenceOutput::Hangup { call, q850 } => {
                self.hang_up(now, call, Hangup { q850: Some(q850) });
            }
            ConferenceOutput::Dial { call, by: _, number, caller_id, account } => {
                self.dial(now, call, number, (caller_id, account));
            }
            ConferenceOutput::Attendance { session } => self.attendance_changed(now, session),
            ConferenceOutput::Invitation { call: _, request, news } => {
                self.referral_news(now, request, news);
            }
            ConferenceOutput::Ordered { request, result } => self.ordered = Some((request, result)),
            ConferenceOutput::Play { call, playback, prompts } => {
                let welcome = self.calls.get(call).and_then(|known| known.welcome);
                let items = queue(&prompts, welcome);
                self.media(Command::Play { leg: leg(call), playback, items });
            }
            ConferenceOutput::StopPlay { call } => {
                self.media(Command::StopPlay { leg: leg(call) });
            }
            ConferenceOutput::Music { call, on } => {
                self.let_in(now, call);
                self.media(Command::Music { leg: leg(call), on });
            }
            ConferenceOutput::Join { call, mix } => {
                self.let_in(now, call);
                self.media(Command::Join { leg: leg(call), room: mix });
            }
            ConferenceOutput::Leave { call } => self.media(Command::Leave { leg: leg(call) }),
            ConferenceOutput::Talk { call, talk } => {
                let talk = match talk {
                    Talk::Open => MediaTalk::Open,
                    Talk::Muted => MediaTalk::Muted,
                    Talk::Secret => MediaTalk::Secret,
                };
                self.media(Command::Talk { leg: leg(call), talk });
            }
            ConferenceOutput::PlayMix { mix, playback, prompts } => {
                self.mix_playbacks.insert(mix, playback);
                self.media(Command::PlayRoom { room: mix, items: queue(&prompts, None) });
            }
            ConferenceOutput::HushMix { mix } => self.media(Command::HushRoom { room: mix }),
            ConferenceOutput::Record { mix, recording, conf_id, file } => {
                self.outputs.push_back(Output::OpenRecording { recording, conf_id, file });
                self.media(Command::Record { room: mix, recording });
            }
            ConferenceOutput::PauseRecord { recording, paused } => {
                self.media(Command::PauseRecord { recording, paused });
            }
            ConferenceOutput::StopRecord { recording } => {
                self.media(Command::StopRecord { recording });
                self.outputs.push_back(Output::CloseRecording { recording });
            }
            ConferenceOutput::CallEnded { call, summary } => {
                if let Some(known) = self.calls.get_mut(call) {
                    known.leg_id = Some(summary.leg_id);
                } else if let Some(closing) = self.closing.get_mut(&call) {
                    closing.leg_id = Some(summary.leg_id);
                }
                self.outputs.push_back(Output::CallEnded(summary));
            }
            ConferenceOutput::GuessAlarm(alarm) => {
                self.outputs.push_back(Output::GuessAlarm(alarm));
            }
            ConferenceOutput::Typed { phone, was_right } => self.typed(now, phone, was_right),
            ConferenceOutput::Drained => self.drained(),
        }
    }

    /// A caller whose passcode was right waits, or is in the room.
    fn let_in(&mut self, now: Time, id: CallId) {
        self.watch_from_here(now, id);
        if let Some(dialog) = self.calls.get(id).and_then(|call| call.dialog) {
            self.endpoint.release_share(dialog);
        }
    }

    /// Takes in what the media plane reports.
    pub(crate) fn media_event(&mut self, now: Time, event: Event) {
        let input = match event {
            Event::Opened { leg } => return self.ports_open(now, CallId(leg.0)),
            Event::PortTaken { leg, port: _ } => return self.port_taken(now, CallId(leg.0)),
            Event::Stats { leg, stats } => return self.leg_closed(now, CallId(leg.0), &stats),
            Event::Handshake { leg, datagram } => {
                return self.handshake_datagram(now, CallId(leg.0), &datagram);
            }
            Event::FirstPacket { leg } => Input::MediaStarted { call: CallId(leg.0) },
            Event::Digit { leg, digit, at: _ } => Input::Digit { call: CallId(leg.0), digit },
            // The last key of `send_keys` was sent: nothing waits for that.
            Event::KeysSent { leg: _ } => return,
            Event::PlaybackDone { leg, playback } => {
                Input::PlaybackDone { call: CallId(leg.0), playback }
            }
            Event::RoomPlayed { room: mix } => {
                let Some(playback) = self.mix_playbacks.remove(&mix) else { return };
                Input::MixPlaybackDone { mix, playback }
            }
            Event::Silent { leg, since } => return self.leg_silent(now, CallId(leg.0), since),
            Event::Resumed { leg } => {
                if let Some(call) = self.calls.get_mut(CallId(leg.0)) {
                    call.silent_since = None;
                }
                return;
            }
        };
        self.bridge.handle(now, input);
    }

    /// Silence alone ends no call: phones send nothing while muted or on hold. After a while the
    /// far end is asked, by an offer of what runs already; a dead one does not answer, and its call
    /// ends within 90 s of its last packet, charged up to that.
    fn leg_silent(&mut self, now: Time, id: CallId, since: Time) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.silent_since = Some(since);
        let quiet = now - call.probed_at.unwrap_or(since).max(since);
        let Some(dialog) = call.dialog.filter(|_| quiet >= PROBE_AFTER) else { return };
        call.probed_at = Some(now);
        self.offer_what_runs(now, id, dialog);
    }

    /// The session has to be refreshed by re-INVITE.
    pub(crate) fn refresh(&mut self, now: Time, dialog: DialogId) {
        if let Some(id) = self.calls.by_dialog(dialog) {
            self.offer_what_runs(now, id, dialog);
        }
    }

    fn offer_what_runs(&mut self, now: Time, id: CallId, dialog: DialogId) {
        let Some(local) = self.local(id) else { return };
        let offer = self.offer_again(id, local, Scope::Same);
        or_ended(&mut self.command_errors, self.endpoint.reinvite(now, dialog, offer));
    }

    fn leg_closed(&mut self, now: Time, call: CallId, stats: &LegStats) {
        self.ports.release(call);
        let Some(Closing { codec, ptime_ms, leg_id }) = self.closing.remove(&call) else { return };
        let (rtp, rtcp) = (stats.dropped.source, stats.dropped.rtcp_source);
        if rtp + rtcp > 0 {
            self.outputs.push_back(Output::Intruded { leg_id, rtp, rtcp });
        }
        let quality = Quality {
            codec: codec.encoding_name().into(),
            ptime_ms,
            rx_packets: stats.received_packets,
            tx_packets: stats.sent_packets,
            lost: stats.lost,
            jitter_p95_ms: u32::try_from(stats.jitter.as_millis()).unwrap_or(u32::MAX),
            mos_x100: None,
        };
        self.bridge.handle(now, Input::Stats { call, quality: Box::new(quality) });
    }

    /// Where the media of `call` may come from besides where it is described: the address that its
    /// SIP came from, and what the trunk of that address adds.
    fn media_networks(&self, call: CallId) -> Box<[IpNet]> {
        let dialog = self.calls.get(call).and_then(|known| known.dialog);
        let Some(peer) = dialog.and_then(|dialog| self.endpoint.heard_from(dialog)) else {
            return Box::default();
        };
        let address = peer.ip().to_canonical();
        let trunks = self.sources.at(address).filter_map(|place| self.config.trunks.get(place));
        let ranges = trunks.flat_map(|trunk| &trunk.media_sources).copied();
        std::iter::once(IpNet::from(address)).chain(ranges).collect()
    }

    /// The far end acknowledged our answer.
    pub(crate) fn acknowledge_media(&mut self, now: Time, call: CallId) {
        if self.calls.get(call).is_some_and(|known| known.started) {
            self.media(Command::Acknowledge { leg: leg(call) });
            self.shake_hands(now, call, Signalling::Acknowledged);
        }
    }

    /// The keys of a call's sound, as far as they are known, and whether a handshake gives them.
    fn keys_of(
        &mut self,
        call: CallId,
        negotiated: &Negotiated,
        signalling: Signalling,
    ) -> (Option<Box<SrtpKeys>>, bool) {
        match &negotiated.srtp {
            None => {
                self.drop_association(call);
                (None, false)
            }
            Some(Keying::Sdes(theirs)) => {
                self.drop_association(call);
                let ours =
                    self.calls.get(call).and_then(|known| known.srtp.key(theirs.key.suite()));
                let keys =
                    ours.map(|ours| SrtpKeys { ours: ours.clone(), theirs: theirs.key.clone() });
                (keys.map(Box::new), false)
            }
            Some(Keying::Dtls(peer)) => {
                (self.associate(call, peer, negotiated.remote_rtp, signalling), true)
            }
        }
    }

    /// Starts or changes the leg of `call` to what was negotiated.
    pub(crate) fn run_media(
        &mut self,
        now: Time,
        call: CallId,
        negotiated: &Negotiated,
        signalling: Signalling,
    ) {
        let networks = self.media_networks(call);
        let (ssrc, first_timestamp) = (self.random_u32(), self.random_u32());
        let first_sequence = u16::try_from(self.random_u32() >> 16).unwrap_or_default();
        let (srtp, dtls) = self.keys_of(call, negotiated, signalling);
        let Some(known) = self.calls.get_mut(call) else { return };
        let codec = negotiated.codec;
        (known.codec, known.ptime_ms) = (codec, negotiated.ptime_ms);
        let update = std::mem::replace(&mut known.started, true);
        let held = !negotiated.direction.sends();
        let changed = std::mem::replace(&mut known.held, held) != held;
        let rtcp = match negotiated.remote_rtcp {
            _ if negotiated.rtcp_mux => Rtcp::Mux,
            // A port of its own would take a handshake of its own (RFC 5764 §4.1).
            _ if dtls => Rtcp::Off,
            Some(address) => Rtcp::To(address),
            None => Rtcp::Off,
        };
        let config = Box::new(LegConfig {
            codec,
            send_payload_type: negotiated.payload_type,
            receive: negotiated.formats.iter().copied().collect(),
            telephone_event: negotiated.telephone_event,
            remote: negotiated.remote_rtp,
            networks,
            signalling,
            rtcp,
            // A far end that holds us plays its hold music: that must not reach the room, so nothing
            // is received from it until it comes back.
            direction: if negotiated.direction.sends() {
                negotiated.direction
            } else {
                negotiated.direction.without_receiving()
            },
            ptime_ms: u8::try_from(negotiated.ptime_ms).unwrap_or(20),
            in_band: InBand::WhenSilent,
            srtp,
            dtls,
            ssrc,
            first_sequence,
            first_timestamp,
            cname: format!("{ssrc:08x}@partyline").into_bytes().into(),
        });
        let leg = leg(call);
        self.media(if update {
            Command::Update { leg, config }
        } else {
            Command::Start { leg, config }
        });
        self.shake_hands(now, call, signalling);
        if changed {
            self.bridge.handle(now, Input::Held { call, held });
        }
    }
}

/// With timer B (32 s, RFC 3261 §17.1.1.2) that makes less than 90 s.
const PROBE_AFTER: Duration = Duration::from_secs(50);

const fn leg(call: CallId) -> LegKey {
    LegKey(call.0)
}

/// The clips of `prompts`, as many as a queue holds; `welcome` stands in for the neutral one.
fn queue(prompts: &[Prompt], welcome: Option<AudioId>) -> AudioQueue {
    let mut queue = AudioQueue::EMPTY;
    for &prompt in prompts {
        let clip = match welcome {
            Some(brand) if prompt == Prompt::Welcome => brand,
            Some(_) | None => prompt.audio(),
        };
        if queue.push(clip).is_err() {
            break;
        }
    }
    queue
}
