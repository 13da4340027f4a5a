//! How `partyline dtmf` shows what it found to people.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use partyline_capture::wav::Wav;
use partyline_capture::{Counts, Dialog, Format, Note, Press, Report, Source, Stream};
use partyline_media::Codec;
use partyline_model::WallTime;

use super::table::{Align, Table};

/// How keys and times are printed.
pub(super) struct Style {
    /// Dots in place of digits.
    pub(super) mask: bool,
    /// Of times of day.
    pub(super) zone: TimeZone,
}

impl Style {
    fn key(&self, press: &Press) -> char {
        if self.mask { '•' } else { press.digit.to_char() }
    }

    fn clock(&self, at: WallTime, format: &str) -> String {
        let at = Timestamp::from_microsecond(at.as_micros()).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// Prints what is in a sound file.
pub(super) fn sound(
    path: &Path,
    wav: &Wav<'_>,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = path.display();
    let (encoding, rate, length) = (wav.encoding(), wav.rate(), Offset(wav.length()));
    writeln!(out, "{shown}: {encoding}, {rate} Hz, {}, {length}", channels(wav.channels()))?;
    for channel in 0..wav.channels() {
        if wav.channels() > 1 {
            writeln!(out, "channel {}:", channel + 1)?;
        }
        presses(&wav.presses(channel), style, out)?;
    }
    Ok(())
}

/// Prints what is in a capture.
pub(super) fn capture(
    path: &Path,
    report: &Report,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let streams = count(report.streams.len() as u64, "RTP stream");
    let (frames, sip) = (count(report.frames, "frame"), count(report.sip_messages, "SIP message"));
    writeln!(out, "{}: {frames}, {streams}, {sip} over UDP", path.display())?;
    spoilt(report, out)?;
    for (number, found) in (1..).zip(&report.streams) {
        stream(number, found, style, out)?;
    }
    for Dialog { call_id, source, destination, presses: infos } in &report.dialogs {
        writeln!(out, "SIP INFO: {source} -> {destination}, Call-ID {}", Plain(call_id))?;
        presses(infos, style, out)?;
    }
    Ok(())
}

fn spoilt(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let spoilt = &report.spoilt;
    // Switches and routers talk among themselves: worth a word only where nothing else is.
    let is_bare = report.streams.is_empty() && report.sip_messages == 0;
    let not_ip = if is_bare { spoilt.not_ip } else { 0 };
    let told = [
        (
            spoilt.cut,
            "datagram",
            "cut short by the capture: tones and INFO may be missing; use tcpdump -s 0",
        ),
        (spoilt.fragments, "frame", "left out: pieces of datagrams whose other pieces are missing"),
        (
            spoilt.unknown_links,
            "frame",
            "of an unknown link type: capture Ethernet, or tcpdump -i any",
        ),
        (
            spoilt.tunnels,
            "frame",
            "of tunnels that are encrypted or not known (ESP, GTP, L2TP, PPTP): capture inside of them",
        ),
        (not_ip, "frame", "without IP in it: PPPoE and MPLS are not looked into"),
        (spoilt.untimed, "frame", "without a time: times and onsets below mean nothing"),
        (spoilt.sip_over_tcp, "SIP message", "over TCP left out: INFO is read over UDP only"),
        (spoilt.infos_without_key, "INFO", "without a key that can be read"),
        (
            spoilt.out_of_order,
            "frame",
            "out of order by over a second: first sort it, reordercap FILE NEW",
        ),
    ];
    for (number, what, why) in told {
        if number > 0 {
            writeln!(out, "  {} {why}", count(number, what))?;
        }
    }
    Ok(())
}

fn stream(number: usize, stream: &Stream, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let Stream { source, destination, ssrc, formats, started, length, counts, jitter, .. } = stream;
    write!(out, "stream {number}: {source} -> {destination}, SSRC {ssrc:08x}")?;
    for (payload_type, format) in formats {
        write!(out, ", {payload_type} {}", Named(format))?;
    }
    writeln!(out)?;
    let began = style.clock(*started, "%Y-%m-%d %H:%M:%S%.3f %Z");
    writeln!(out, "  {began}, {}; {}", Offset(*length), Counted(counts, *jitter))?;
    if stream.encrypted {
        return writeln!(out, "  encrypted (SRTP): its keys cannot be read");
    }
    if !formats.values().any(|format| matches!(format, Format::Audio(_))) {
        writeln!(out, "  no G.711 in it: tones were not looked for")?;
    } else if counts.cut > 0 {
        writeln!(out, "  packets cut short: tones in them cannot be heard")?;
    }
    presses(&stream.presses, style, out)
}

fn presses(presses: &[Press], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    if presses.is_empty() {
        return writeln!(out, "  no keys");
    }
    let timed = presses.iter().any(|press| press.at.is_some());
    let mut columns = vec![("key", Align::Left), ("sent", Align::Left)];
    if timed {
        columns.push(("time of day", Align::Left));
    }
    let measures = ["onset", "ms", "dBm0", "twist dB"];
    columns.extend(measures.map(|name| (name, Align::Right)));
    columns.push(("notes", Align::Left));
    let mut table = Table::new(&columns);
    for press in presses {
        let mut row = vec![style.key(press).to_string(), sent(press.source).to_owned()];
        if timed {
            row.push(press.at.map_or(String::new(), |at| style.clock(at, "%H:%M:%S%.3f")));
        }
        let length = press.length.map(|length| length.as_millis().to_string());
        let level = press.level.map(|level| format!("{:.0}", level.dbm0));
        let twist = press.level.and_then(|level| level.twist_db);
        // Rounding must not leave a minus before a zero.
        let twist = twist.map(|twist| format!("{:+.0}", twist.round() + 0.0));
        row.push(Offset(press.onset).to_string());
        row.extend([length, level, twist].map(Option::unwrap_or_default));
        let notes: Vec<String> = press.notes.iter().map(note).collect();
        row.push(notes.join("; "));
        table.row(row);
    }
    for line in table.to_string().lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

const fn sent(source: Source) -> &'static str {
    match source {
        Source::InBand => "in-band",
        Source::Event => "RFC 4733",
        Source::Info => "INFO",
    }
}

fn note(note: &Note) -> String {
    match *note {
        Note::Lost(packets) => format!("{} lost in it", count(packets, "packet")),
        Note::StartLost => "its first packets are lost".to_owned(),
        Note::NoEnd => "no end packet: lost, or never sent".to_owned(),
        Note::StillHeld => "still held at the end".to_owned(),
        Note::Short => "shorter than 40 ms".to_owned(),
        Note::Weak => "weak: below -25 dBm0".to_owned(),
        Note::Twisted => "twist beyond -8 to +4 dB".to_owned(),
        Note::Refused(status) => format!("refused with {status}"),
        Note::Unanswered => "not answered".to_owned(),
        Note::Also(source) => format!(
            "also sent {}",
            match source {
                Source::InBand => "in-band",
                Source::Event => "as RFC 4733",
                Source::Info => "by INFO",
            }
        ),
    }
}

fn channels(number: usize) -> String {
    match number {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        number => format!("{number} channels"),
    }
}

/// `1 packet`, `2 packets`.
fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Time since a beginning, `h:mm:ss.mmm`.
struct Offset(Duration);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (minutes, hours) = (seconds / 60, seconds / 3_600);
        write!(f, "{hours}:{:02}:{:02}.{millis:03}", minutes % 60, seconds % 60)
    }
}

/// A format as `a=rtpmap` names it.
struct Named<'a>(&'a Format);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Format::Audio(Codec::Pcmu) => f.write_str("PCMU"),
            Format::Audio(Codec::Pcma) => f.write_str("PCMA"),
            Format::Events { clock_hz: 8_000 } => f.write_str("telephone-event"),
            Format::Events { clock_hz } => write!(f, "telephone-event/{clock_hz}"),
            Format::Other(name) => write!(f, "{}", Plain(name)),
            Format::Unknown => f.write_str("unknown"),
        }
    }
}

/// What came from a network, without what would command a terminal.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write!(f, "{}", if c.is_control() { '?' } else { c }))
    }
}

/// What was wrong with the packets of a stream.
struct Counted<'a>(&'a Counts, Duration);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { packets, lost, gaps, repeated, reordered, cut, restarts } = *self.0;
        write!(f, "{}", count(packets, "packet"))?;
        if lost > 0 {
            let per_mille = lost.saturating_mul(1_000) / (packets + lost);
            let (whole, tenth) = (per_mille / 10, per_mille % 10);
            write!(f, ", {lost} lost ({whole}.{tenth} %) in {}", count(gaps, "gap"))?;
        } else {
            f.write_str(", none lost")?;
        }
        for (number, what) in
            [(reordered, "out of order"), (repeated, "repeated"), (cut, "cut short")]
        {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        if restarts > 0 {
            write!(f, ", numbering began anew {}", count(restarts, "time"))?;
        }
        write!(f, ", jitter up to {} ms", self.1.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_counts_read_as_people_write_them() {
        assert_eq!(Offset(Duration::from_millis(3_723_045)).to_string(), "1:02:03.045");
        let mut counts = Counts { packets: 1, ..Counts::default() };
        let counted = |counts: &Counts| Counted(counts, Duration::from_micros(4_900)).to_string();
        assert_eq!(counted(&counts), "1 packet, none lost, jitter up to 4 ms");
        counts = Counts { packets: 988, lost: 12, gaps: 5, reordered: 3, restarts: 1, ..counts };
        assert_eq!(
            counted(&counts),
            "988 packets, 12 lost (1.2 %) in 5 gaps, 3 out of order, numbering began anew 1 time, \
             jitter up to 4 ms"
        );
    }

    #[test]
    fn a_name_from_the_network_commands_no_terminal() {
        assert_eq!(Plain("a\u{1b}[2Jb\r").to_string(), "a?[2Jb?");
    }
}
