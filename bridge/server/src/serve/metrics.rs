//! What the node counts, in the form that Prometheus reads. No number, account or name of a person
//! in a label; a trunk is called as the configuration calls it.

use std::collections::BTreeMap;
use std::fmt::Write;

use partyline_cdr_store::ingest::IngestHealth;
use partyline_cdr_store::journal::Health;
use partyline_control::{GuessCounts, GuessKey, HandshakeCounts, Node, Refused};
use partyline_media_io::{LATENESS_MICROS, Stats};
use partyline_model::HandshakeFault;
use partyline_stir::{Attest, FetchFault, Reason, Verdict};

use super::dns::NameCounts;
use super::transport::StreamSample;
use super::trunks::{TrunkSample, results};
use super::users::UserSample;

/// What only the control task knows; it publishes one of these a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) calls: usize,
    pub(super) conferences: usize,
    pub(super) refused: Vec<(&'static str, u64)>,
    pub(super) sip_dropped: Vec<(&'static str, u64)>,
    pub(super) guesses: GuessCounts,
    pub(super) handshakes: Vec<(&'static str, u64)>,
    pub(super) offences: Vec<(&'static str, u64)>,
    pub(super) bans: Vec<(&'static str, u64)>,
    pub(super) banned: usize,
    pub(super) dtls_alerts: u64,
    pub(super) sip_unwanted: Vec<(&'static str, u64)>,
    pub(super) sip_receive_errors: u64,
    pub(super) sip_octets: usize,
    pub(super) sip_command_errors: Vec<(&'static str, u64)>,
    pub(super) datagrams_unsent: u64,
    pub(super) streams: StreamSample,
    pub(super) names: NameCounts,
    pub(super) calls_ended: u64,
    pub(super) lost_told: u64,
    pub(super) untraced: u64,
    pub(super) traces_lost: u64,
    pub(super) commands_waiting: usize,
    pub(super) draining: bool,
    pub(super) trunks: Vec<TrunkSample>,
    pub(super) users: UserSample,
    pub(super) verdicts: BTreeMap<Verdict, u64>,
}

impl Sample {
    pub(super) fn of(node: &Node) -> Self {
        let counters = node.endpoint().counters();
        Self {
            calls: node.calls(),
            conferences: node.conferences(),
            lost_told: node.lost_calls_told(),
            untraced: node.untraced(),
            refused: Refused::ALL.map(|reason| (reason.name(), node.refused(reason))).to_vec(),
            verdicts: node.verdicts().clone(),
            guesses: node.guess_counts().clone(),
            handshakes: handshakes(node.handshake_counts()),
            dtls_alerts: node.handshake_counts().alerts,
            offences: node.ban_counts().offences(),
            bans: node.ban_counts().bans(),
            sip_octets: node.endpoint().octets(),
            sip_command_errors: node.command_errors().map(|(e, count)| (e.name(), count)).to_vec(),
            sip_dropped: counters.iter().map(|(reason, count)| (reason.name(), count)).collect(),
            ..Self::default()
        }
    }
}

/// What came of handshakes, by its name.
fn handshakes(counts: &HandshakeCounts) -> Vec<(&'static str, u64)> {
    let failed = HandshakeFault::ALL.map(|fault| (fault.name(), counts.failed(fault)));
    std::iter::once(("done", counts.done)).chain(failed).collect()
}

/// All metrics in the Prometheus text format, version 0.0.4.
pub(super) fn render(
    sample: &Sample,
    media: &Stats,
    journal: &Health,
    ingested: &IngestHealth,
) -> String {
    let mut page = Page(String::new());
    page.gauge("partyline_calls", "Calls that are up or on their way", sample.calls);
    page.gauge("partyline_conferences", "Conferences in session", sample.conferences);
    page.gauge("partyline_draining", "1 while no new calls are taken", u8::from(sample.draining));
    page.counter("partyline_calls_ended_total", "Calls that have ended", sample.calls_ended);
    let help = "Calls turned away before they had a record";
    page.family("partyline_calls_refused_total", help, "reason", &sample.refused);
    let help = "SIP datagrams that were worth no event";
    page.family("partyline_sip_dropped_total", help, "reason", &sample.sip_dropped);
    let help = "What sources are banned for, each time that it was done";
    page.family("partyline_offences_total", help, "offence", &sample.offences);
    let help = "Bans that began, by what they are for";
    page.family("partyline_bans_total", help, "offence", &sample.bans);
    page.gauge("partyline_banned_sources", "Sources that are banned", sample.banned);
    page.verdicts(&sample.verdicts);
    page.guesses(&sample.guesses);
    let help = "Handshakes of DTLS-SRTP, by what came of them; calls without keys have ended";
    page.family("partyline_dtls_handshakes_total", help, "result", &sample.handshakes);
    let help = "Datagrams with DTLS alerts that anybody may have written; they were not believed";
    page.counter("partyline_dtls_alerts_ignored_total", help, sample.dtls_alerts);
    let help = "Datagrams on RTP and RTCP ports that were refused; rtp_source and rtcp_source \
                came from addresses that are not the far end's";
    page.family("partyline_rtp_dropped_total", help, "reason", &media.dropped());
    let help = "SIP datagrams that were not looked at, by their source or number";
    page.family("partyline_sip_unwanted_total", help, "reason", &sample.sip_unwanted);
    page.streams(&sample.streams);
    let help = "Commands to the SIP endpoint that failed though the call was up";
    page.family("partyline_sip_command_errors_total", help, "reason", &sample.sip_command_errors);
    let help = "Octets that SIP transactions of others hold";
    page.gauge("partyline_sip_transaction_octets", help, sample.sip_octets);
    for (name, help, value) in [
        ("lost_calls_told", "Calls of a run before that were sent BYE", sample.lost_told),
        ("sip_untraced", "SIP messages of calls that were too long to be traced", sample.untraced),
        ("traces_lost", "Traces of calls that the disk did not take", sample.traces_lost),
        ("sip_receive_errors", "Errors of receiving on SIP sockets", sample.sip_receive_errors),
        ("dns_questions", "Questions to name servers", sample.names.questions),
        ("dns_unanswered", "Questions that no name server answered", sample.names.unanswered),
        ("dns_refused", "Lookups left out: there were too many", sample.names.refused),
        ("sip_unsent", "SIP datagrams the kernel refused", sample.datagrams_unsent),
        ("rtp_received", "Datagrams received on RTP and RTCP ports", media.received.get()),
        ("rtp_sent", "RTP and RTCP datagrams sent", media.sent.get()),
        ("rtp_oversize", "Datagrams on RTP ports too long to be RTP", media.oversize.get()),
        ("rtp_receive_errors", "Errors of receiving on RTP ports", media.receive_errors.get()),
        ("rtp_send_errors", "RTP datagrams the kernel refused", media.send_errors.get()),
        ("media_ticks", "20 ms ticks of the media thread", media.ticks.get()),
        ("media_ticks_late", "Ticks that began 20 ms late or more", media.late_ticks()),
        ("media_ticks_skipped", "Ticks left out", media.ticks_skipped.get()),
        ("media_rests", "Slots the media thread gave up to others", media.rests.get()),
        ("media_events_delayed", "Media events that waited", media.events_delayed.get()),
        ("media_ports_refused", "RTP ports that were occupied", media.ports_refused.get()),
        (
            "recording_frames_dropped",
            "20 ms frames missing in recordings",
            media.recording_frames_dropped.get(),
        ),
        ("journal_records", "Records made durable", journal.records),
        ("journal_groups", "Groups of records, each with one sync", journal.groups),
        ("journal_failed_groups", "Groups that could not be written", journal.failed_groups),
        ("journal_refused", "Requests refused because the queue was full", journal.refused),
    ] {
        page.counter(&format!("partyline_{name}_total"), help, value);
    }
    let help = "1 while the journal cannot write and calls are refused";
    page.gauge("partyline_journal_failing", help, u8::from(journal.failing));
    page.gauge("partyline_journal_open_legs", "Legs open in the journal", journal.open_legs);
    page.store(ingested);
    let help = "Commands that wait for the media thread";
    page.gauge("partyline_media_commands_waiting", help, sample.commands_waiting);
    page.trunks(&sample.trunks);
    page.users(&sample.users);
    page.lateness(&media.lateness());
    page.0
}

/// Counters and gauges of what stands beside the node, each with its name and help.
pub(super) fn render_more(counters: &[(&str, &str, u64)], gauges: &[(&str, &str, u64)]) -> String {
    let mut page = Page(String::new());
    for (name, help, value) in counters {
        page.counter(&format!("partyline_{name}_total"), help, *value);
    }
    for (name, help, value) in gauges {
        page.gauge(&format!("partyline_{name}"), help, value);
    }
    page.0
}

/// Why writing to a page does not fail.
const TAKEN: &str = "a String takes every text";

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        write!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}\n").expect(TAKEN);
    }

    fn line(&mut self, series: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{series} {value}").expect(TAKEN);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, help, "gauge");
        self.line(name, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(name, value);
    }

    fn family(&mut self, name: &str, help: &str, label: &str, values: &[(&'static str, u64)]) {
        self.head(name, help, "counter");
        for (word, value) in values {
            self.line(&format!("{name}{{{label}=\"{word}\"}}"), value);
        }
    }

    fn verdicts(&mut self, verdicts: &BTreeMap<Verdict, u64>) {
        let name = "partyline_identities_total";
        self.head(name, "Calls whose signature was looked into, by what was found", "counter");
        let valid = Attest::ALL.map(Verdict::Valid);
        let invalid = Reason::ALL.map(Verdict::Invalid);
        let unfetched = FetchFault::ALL.map(Verdict::CouldNotFetch);
        let all = [Verdict::NoSignature].into_iter().chain(valid).chain(invalid).chain(unfetched);
        for verdict in all {
            let (kind, detail) = (verdict.name(), verdict.detail());
            let series = format!("{name}{{verdict=\"{kind}\",detail=\"{detail}\"}}");
            self.line(&series, verdicts.get(&verdict).copied().unwrap_or_default());
        }
    }

    fn streams(&mut self, streams: &StreamSample) {
        let name = "partyline_sip_connections";
        self.head(name, "SIP connections that are there", "gauge");
        for (transport, value) in &streams.open {
            self.line(&format!("{name}{{transport=\"{transport}\"}}"), value);
        }
        for (name, help, values) in [
            ("accepted", "SIP connections that were taken", &streams.accepted),
            ("opened", "SIP connections that the bridge opened", &streams.opened),
            ("octets_received", "Octets that came on SIP connections", &streams.octets_in),
            ("octets_sent", "Octets that went on SIP connections", &streams.octets_out),
        ] {
            let name = format!("partyline_sip_connections_{name}_total");
            self.family(&name, help, "transport", values);
        }
        for (name, help, values) in [
            ("refused", "SIP connections that were not taken", &streams.refused),
            ("ended", "SIP connections that are gone", &streams.ended),
        ] {
            let name = format!("partyline_sip_connections_{name}_total");
            self.head(&name, help, "counter");
            for (transport, reason, value) in values {
                let series = format!("{name}{{transport=\"{transport}\",reason=\"{reason}\"}}");
                self.line(&series, value);
            }
        }
        let help = "Times the system had no SIP connection to give";
        self.counter("partyline_sip_accept_errors_total", help, streams.accept_errors);
    }

    fn store(&mut self, ingested: &IngestHealth) {
        for (name, help, value) in [
            ("records", "Records taken from the journal into the store", ingested.added),
            ("failed_rounds", "Times the store could not take records", ingested.failed_rounds),
            ("conflicts", "Revisions not taken: other content was there", ingested.conflicts),
            ("unknown_frames", "Frames this version cannot read", ingested.unknown),
            ("damaged_octets", "Octets of the journal that are damaged", ingested.damaged_octets),
            ("begun_anew", "Times the journal was another than before", ingested.begun_anew),
        ] {
            self.counter(&format!("partyline_store_{name}_total"), help, value);
        }
        let help = "Places of the journal that could not be taken, whenever they were found";
        self.gauge("partyline_store_places_lacking", help, ingested.places);
        let help = "Octets in the journal that the store could not take yet";
        self.gauge("partyline_store_lag_octets", help, ingested.lag_octets);
        let help = "How long records have been waiting for the store";
        self.gauge("partyline_store_lag_seconds", help, ingested.lag.as_secs());
    }

    /// Telephones that register with the bridge, where there are any.
    fn users(&mut self, users: &UserSample) {
        let Some(results) = users.results() else { return };
        let name = "partyline_user_bindings";
        self.head(name, "Places where users can be reached", "gauge");
        self.line(name, users.bindings());
        let name = "partyline_user_requests_total";
        self.head(
            name,
            "REGISTER and calls of users, by what was found of their sender",
            "counter",
        );
        for (result, count) in results {
            self.line(&format!("{name}{{result=\"{result}\"}}"), count);
        }
    }

    fn trunks(&mut self, trunks: &[TrunkSample]) {
        let name = "partyline_trunk_up";
        self.head(name, "0 while a trunk is known to be down", "gauge");
        for trunk in trunks {
            self.line(&format!("{name}{{trunk=\"{}\"}}", label(trunk)), trunk.up());
        }
        let name = "partyline_trunk_registered";
        self.head(name, "1 while a trunk has the bridge's registration", "gauge");
        for (trunk, registered) in
            trunks.iter().filter_map(|trunk| Some((trunk, trunk.registered()?)))
        {
            self.line(&format!("{name}{{trunk=\"{}\"}}", label(trunk)), registered);
        }
        let name = "partyline_trunk_pings_total";
        self.head(name, "OPTIONS to a trunk, by what came of them", "counter");
        for (trunk, counts) in trunks.iter().filter_map(|trunk| Some((trunk, trunk.status.pings?)))
        {
            for (result, count) in results(counts) {
                let trunk = label(trunk);
                self.line(&format!("{name}{{trunk=\"{trunk}\",result=\"{result}\"}}"), count);
            }
        }
    }

    fn guesses(&mut self, counts: &GuessCounts) {
        let wrong = [
            ("conference_passcode", counts.wrong_passcodes),
            ("security_passcode", counts.wrong_security),
        ];
        let help = "Wrong passcodes that callers were told of";
        self.family("partyline_guesses_wrong_total", help, "secret", &wrong);
        for (name, help, by_key) in [
            ("delayed", "Answers to passcodes that were delayed", &counts.delayed),
            ("withheld", "Passcodes that got no answer", &counts.withheld),
            ("alarms", "Alarms that passcodes are being guessed", &counts.alarms),
        ] {
            let of = |key: GuessKey| (key.name(), by_key.get(&key).copied().unwrap_or_default());
            let name = format!("partyline_guesses_{name}_total");
            self.family(&name, help, "key", &GuessKey::ALL.map(of));
        }
    }

    fn lateness(&mut self, classes: &[u64]) {
        let name = "partyline_media_tick_lateness_seconds";
        self.head(name, "How late 20 ms ticks began", "histogram");
        let mut sum = 0;
        for (index, count) in classes.iter().enumerate() {
            sum += count;
            let end = LATENESS_MICROS.get(index).map_or_else(
                || "+Inf".to_owned(),
                |&micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
            );
            self.line(&format!("{name}_bucket{{le=\"{end}\"}}"), sum);
        }
        self.line(&format!("{name}_count"), sum);
    }
}

/// The trunk's name as a label takes it: with backslash, quote and line feed escaped.
fn label(trunk: &TrunkSample) -> String {
    let name = &trunk.status.name;
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_help_type_and_a_number() {
        let trunks = vec![crate::serve::trunks::example()];
        let sample = Sample { refused: vec![("no_port", 3)], trunks, ..Sample::default() };
        let page = render(&sample, &Stats::default(), &Health::default(), &IngestHealth::default());
        assert!(page.contains("partyline_calls_refused_total{reason=\"no_port\"} 3\n"));
        assert!(page.contains("partyline_trunk_up{trunk=\"carrier \\\"a\\\"\"} 0\n"), "{page}");
        assert!(page.contains("partyline_trunk_registered{trunk=\"carrier \\\"a\\\"\"} 1\n"));
        assert!(page.contains(",result=\"silent\"} 3\n"));
        assert!(page.contains("partyline_guesses_delayed_total{key=\"dialled_number\"} 0\n"));
        assert!(page.contains("_bucket{le=\"0.020000\"} 0\n") && page.contains("le=\"+Inf\"} 0\n"));
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().unwrap_or_default();
            let family = name.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(page.contains(&format!("# TYPE {family} ")), "{line}");
            assert!(value.parse::<u64>().is_ok(), "{line}");
        }
    }
}
