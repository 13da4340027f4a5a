//! `partyline trace`, asked of a bridge that runs, by the built program.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use common::{Bench, own_address};

fn config(ip: IpAddr) -> String {
    format!(
        "[sip]\nlisten = [\"{ip}:5060\"]\n[media]\naddress = \"{ip}\"\n\
         [http]\nlisten = \"{ip}:9060\"\n[[trunk]]\nname = \"line\"\nsources = [\"{ip}/32\"]\n"
    )
}

/// Sends a request and hears the first final response.
fn ask(to: SocketAddr, text: &str) -> String {
    let socket = UdpSocket::bind((to.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(text.as_bytes(), to).unwrap();
    loop {
        let mut octets = [0; 4096];
        let length = socket.recv(&mut octets).unwrap();
        let answer = String::from_utf8_lossy(&octets[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}

fn invite(ip: IpAddr, call_id: &str, user: &str) -> String {
    format!(
        "INVITE sip:{user}@{ip} SIP/2.0\r\nVia: SIP/2.0/UDP {ip};rport;branch=z9hG4bK{call_id}\r\n\
         From: <sip:+14165550123@{ip}>;tag=1\r\nTo: <sip:{user}@{ip}>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:{ip}>\r\nAuthorization: Digest response=\"4711\"\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_running_bridge_shows_a_call_as_a_ladder_as_json_and_as_a_capture() {
    let ip = IpAddr::from(own_address(1));
    let at = SocketAddr::new(ip, 5060);
    let bench = Bench::with_demo();
    assert!(bench.fails(&["trace"]).contains("no bridge answers"), "none runs");
    let bridge = bench.serve(&config(ip));
    let mode = std::fs::metadata(bench.data().join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "who asks learns numbers of callers");
    assert!(ask(at, &invite(ip, "abc-1", "47114711")).starts_with("SIP/2.0 404"));
    assert!(ask(at, &invite(ip, "abc-2", "18005550199")).starts_with("SIP/2.0 200"));

    let text = bench.ok(&["trace", "--call", "abc-1"]);
    assert!(text.starts_with("call in by line from +1416xxxxx23, 404 Not Found\n"), "{text}");
    assert!(text.contains("─── INVITE ─") && text.contains("<── 404 Not Found ─"), "{text}");
    assert!(!text.contains("4711"), "{text}");
    let text = bench.ok(&["trace", "--from", "4165550123", "--messages"]);
    assert!(text.contains("| From: <sip:+1416xxxxx23@"), "{text}");
    assert!(text.contains("sip:1800xxxxx99@"), "{text}");
    assert!(!text.contains("4711"), "{text}");
    let text = bench.ok(&["trace", "--from", "4165550123", "--full"]);
    assert!(text.contains("from +14165550123, ") && text.contains("sip:18005550199@"), "{text}");
    let text = bench.ok(&["trace", "--trunk", "line", "--list"]);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert_eq!(bench.run(&["trace", "--call", "nobody"]).code, Some(1));
    let page = bench.ok(&["trace", "--json", "--last", "1"]);
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["calls"][0]["call_id"], "abc-2");
    assert_eq!(page["calls"][0]["live"], true);

    let file = bench.path("call.pcap").display().to_string();
    bench.ok(&["trace", "--pcap", &file]);
    assert!(bench.fails(&["trace", "--pcap", &file]).contains("cannot make"), "none is lost");
    let mut tshark = Command::new("tshark");
    tshark.args(["-r", &file, "-T", "fields", "-e", "sip.Call-ID", "-e", "sip.Status-Code"]);
    // Where the program is, what it reads in the file.
    if let Ok(read) = tshark.output() {
        let read = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(read.contains("abc-1\t404") && read.contains("abc-2\t200"), "{read}");
    }
    drop(bridge);
    assert!(bench.fails(&["trace"]).contains("no bridge answers"));
}

#[test]
fn traces_are_kept_on_disk_where_the_configuration_says_so() {
    let ip = IpAddr::from(own_address(3));
    let bench = Bench::with_demo();
    let config = config(ip) + "[trace]\nkeep_hours = 2\n";
    let mut bridge = bench.serve(&config);
    let asked = invite(ip, "kept", "47114711");
    assert!(ask(SocketAddr::new(ip, 5060), &asked).starts_with("SIP/2.0 404"));
    bridge.terminate();
    // No bridge runs: what it wrote is there.
    let text = bench.ok(&["trace", "--call", "kept", "--full"]);
    assert!(text.contains("call in by line from +14165550123, 404 Not Found"), "{text}");
    assert!(!text.contains("4711"), "{text}");
    let folder = std::fs::metadata(bench.data().join("trace")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    // One that runs anew has it beside what it has itself.
    drop(bench.serve(&config));
    let _bridge = bench.serve(&config);
    assert!(ask(SocketAddr::new(ip, 5060), &invite(ip, "anew", "4711")).starts_with("SIP/2.0 404"));
    assert_eq!(bench.ok(&["trace", "--list"]).lines().count(), 3, "{}", bench.ok(&["trace"]));
    assert_eq!(bench.ok(&["trace", "--last", "1"]).matches("Call-ID").count(), 1);
}

#[test]
fn a_data_folder_with_a_long_path_has_its_socket_too() {
    let ip = IpAddr::from(own_address(2));
    let bench = Bench::below(&"long/".repeat(30));
    bench.ok(&["init"]);
    let bridge = bench.serve(&config(ip));
    assert!(ask(SocketAddr::new(ip, 5060), &invite(ip, "long", "18005550199")).contains(" 200 "));
    assert!(bench.ok(&["trace"]).contains("Call-ID long"));
    drop(bridge);
}
