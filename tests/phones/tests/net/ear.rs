//! A second opinion on digits: tiny receivers that share nothing with the phones' sender.

use partyline_phones::Packet;

const KEYS: &str = "0123456789*#ABCD";

/// Keys of RFC 4733 events: one for each timestamp.
pub(crate) fn events(wire: &[Packet]) -> String {
    let mut last = None;
    let mut keys = String::new();
    for packet in event_packets(wire) {
        if last != Some(packet[4..8].to_vec()) {
            keys.push(KEYS.as_bytes()[usize::from(packet[12])].into());
            last = Some(packet[4..8].to_vec());
        }
    }
    keys
}

/// Packets with the end bit and the whole duration of 100 ms.
pub(crate) fn end_packets(wire: &[Packet]) -> usize {
    event_packets(wire)
        .filter(|packet| packet[13] & 0x80 != 0 && packet[14..16] == 800_u16.to_be_bytes())
        .count()
}

fn event_packets(wire: &[Packet]) -> impl Iterator<Item = &[u8]> {
    let packets = wire.iter().map(|packet| packet.bytes.as_slice());
    packets.filter(|bytes| bytes.len() == 16 && bytes[1] & 0x7F == 101)
}

/// Keys of INFO requests, repeats left out by CSeq.
pub(crate) fn infos(wire: &[Packet]) -> String {
    let mut last = String::new();
    let mut keys = String::new();
    for packet in wire {
        let Ok(text) = std::str::from_utf8(&packet.bytes) else { continue };
        let number = text.lines().find(|line| line.starts_with("CSeq:")).unwrap_or("");
        if text.starts_with("INFO ") && number != last {
            number.clone_into(&mut last);
            let signal = text.lines().find_map(|line| line.strip_prefix("Signal="));
            keys.extend(signal);
        }
    }
    keys
}

/// Keys of tone pairs, by a plain correlation with sine and cosine over 20 ms.
pub(crate) fn tones(samples: &[i16]) -> String {
    let low = [697.0, 770.0, 852.0, 941.0];
    let high = [1209.0, 1336.0, 1477.0, 1633.0];
    let pad = ["123A", "456B", "789C", "*0#D"];
    let mut last = None;
    let mut keys = String::new();
    for block in samples.chunks_exact(160) {
        let loudest = |group: &[f64; 4]| {
            let levels = group.map(|hz| amplitude(block, hz));
            let best = (0..4).max_by(|&a, &b| levels[a].total_cmp(&levels[b])).expect("four tones");
            (levels[best] > 4000.0).then_some(best)
        };
        let key =
            loudest(&low).zip(loudest(&high)).map(|(row, column)| pad[row].as_bytes()[column]);
        if key != last {
            keys.extend(key.map(char::from));
        }
        last = key;
    }
    keys
}

fn amplitude(block: &[i16], hz: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (place, &sample) in block.iter().enumerate() {
        let angle = std::f64::consts::TAU * hz * place as f64 / 8000.0;
        sine += f64::from(sample) * angle.sin();
        cosine += f64::from(sample) * angle.cos();
    }
    2.0 * sine.hypot(cosine) / block.len() as f64
}
