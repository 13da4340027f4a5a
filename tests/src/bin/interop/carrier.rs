//! A carrier that is registered at, played by Kamailio: calls in and out by UDP, TCP and TLS, a new
//! password, a new certificate, and its death. baresip telephones are registered there as well. The
//! bridge is one of its own, with a second trunk that a number goes by when the first fails.

mod kamailio;
mod spare;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use bridge_tests::real::bridge::{self, Running, Setup};
use bridge_tests::real::records::Leg;
use serde_json::Value;

use self::kamailio::{DOMAIN, Kamailio};
use self::spare::Spare;
use crate::baresip::{SETTLED, TONES, Transport, enter};
use crate::child;
use crate::phone::{Owner, Phone, Recording, WINDOW, wait};
use crate::place::{self, DIAL_IN, MODERATOR, Place};

/// The password of every telephone; the bridge's accounts begin with it as well.
const PASSWORD: &str = "zanzibar";
/// What the bridge's account gets instead.
const NEW_PASSWORD: &str = "circle-of-life";
/// A registration that was granted 12 s is renewed, refused or made anew within this.
const REGISTERED: Duration = Duration::from_secs(40);
/// "Its death moves dial-outs to the second trunk within 5 s, and within 50 ms once OPTIONS has told."
const MOVED: Duration = Duration::from_secs(5);
const MOVED_AT_ONCE: Duration = Duration::from_millis(50);
/// A busy machine may take longer for once.
const TRIES: usize = 3;
/// What is said to who is called, and to who called him, is over after this.
const SAID: Duration = Duration::from_secs(9);
/// The number that nobody has, and one that only the second trunk takes; there it is busy.
const NOBODY: &str = "14165550199";
const STRAIGHT: &str = "14165550189";

/// How one trunk of the bridge reaches the carrier, and who telephones by it.
struct Line {
    by: Transport,
    /// The bridge's account.
    account: &'static str,
    /// Who calls in, and who is called.
    numbers: [&'static str; 2],
    /// How the two reach the carrier: through it, transports change.
    phones: [Transport; 2],
    encryption: Option<&'static str>,
    /// What its trunk says about that.
    srtp: &'static str,
}

const UDP: Line = Line {
    by: Transport::Udp,
    account: "bridge-udp",
    numbers: ["14165550141", "14165550142"],
    phones: [Transport::Tcp, Transport::Udp],
    encryption: None,
    srtp: "srtp = \"off\"",
};
const TCP: Line = Line {
    by: Transport::Tcp,
    account: "bridge-tcp",
    numbers: ["14165550151", "14165550152"],
    phones: [Transport::Udp, Transport::Tcp],
    encryption: None,
    srtp: "srtp = \"off\"",
};
const TLS: Line = Line {
    by: Transport::Tls,
    account: "bridge-tls",
    numbers: ["14165550161", "14165550162"],
    phones: [Transport::Tls, Transport::Tls],
    encryption: Some("srtp-mand"),
    srtp: "srtp = \"required\"",
};
/// Keys in RTP/AVP.
const SDES: Line = Line {
    by: Transport::Udp,
    account: "bridge-sdes",
    numbers: ["14165550131", "14165550132"],
    phones: [Transport::Udp, Transport::Udp],
    encryption: Some("srtp"),
    srtp: "srtp = \"preferred\"",
};
const DTLS: Line = Line {
    by: Transport::Udp,
    account: "bridge-dtls",
    numbers: ["14165550111", "14165550112"],
    phones: [Transport::Udp, Transport::Udp],
    encryption: Some("dtls_srtp"),
    srtp: "srtp = \"required\"\nsrtp_keys = \"dtls\"",
};
const LINES: [&Line; 5] = [&UDP, &TCP, &TLS, &SDES, &DTLS];

/// Calls in and out by UDP and TCP: each request within them comes by the route that was recorded.
///
/// # Errors
/// A call fails, somebody does not hear whom he should, or a request comes by another way.
pub(crate) fn proxied(place: &Place, folder: &Path) -> Result<()> {
    by_lines(place, folder, [&UDP, &TCP])
}

/// The same by UDP with keys in RTP/AVP, and with keys by DTLS.
///
/// # Errors
/// A call fails or is not encrypted, or somebody does not hear whom he should.
pub(crate) fn keyed(place: &Place, folder: &Path) -> Result<()> {
    by_lines(place, folder, [&SDES, &DTLS])
}

fn by_lines(place: &Place, folder: &Path, lines: [&Line; 2]) -> Result<()> {
    let scene = Scene::new(place, folder)?;
    for line in lines {
        let (first, second) = scene.talk(line)?;
        // One of the two is hung up by the telephone, the other by the bridge.
        scene.finish(line, first, second)?;
    }
    scene.end()
}

/// By TLS with SRTP: a password and a certificate are renewed in the middle of a call.
///
/// # Errors
/// A call is dropped, or the bridge does not get its registration back.
pub(crate) fn renewed(place: &Place, folder: &Path) -> Result<()> {
    let scene = Scene::new(place, folder)?;
    let (first, second) = scene.talk(&TLS)?;
    scene.kamailio.set_password(TLS.account, NEW_PASSWORD)?;
    scene.wait_until(&TLS, "down")?;
    scene.write_password(&TLS, NEW_PASSWORD)?;
    let from = Instant::now();
    scene.wait_until(&TLS, "up")?;
    let took = from.elapsed();
    ensure!(took < Duration::from_secs(4), "registered {took:?} after the new password");
    scene.kamailio.renew_certificate()?;
    let handshakes = scene.kamailio.said("REGISTERED bridge-tls")?;
    place::write_certificate(scene.bridge.folder(), place.second)?;
    child::until(REGISTERED, "renewed registration", || {
        Ok((scene.kamailio.said("REGISTERED bridge-tls")? > handshakes).then_some(()))
    })?;
    scene.finish(&TLS, first, second)?;
    scene.end()
}

/// The carrier dies: calls out go by the second trunk, and come back.
///
/// # Errors
/// They do not in time.
pub(crate) fn dies(place: &Place, folder: &Path) -> Result<()> {
    let mut scene = Scene::new(place, folder)?;
    let mut moderator = scene.direct()?;
    let usual = scene.dial_busy(&mut moderator, STRAIGHT)?;
    scene.kamailio.freeze()?;
    let silent = scene.dial_busy(&mut moderator, NOBODY)?;
    ensure!(silent <= MOVED, "the second trunk was called after {silent:?}");
    scene.wait_until(&TLS, "down")?;
    scene.moves_at_once(&mut moderator, usual).context("once OPTIONS has told")?;
    scene.kamailio.kill()?;
    scene.moves_at_once(&mut moderator, usual).context("once it is dead")?;
    drop(moderator);
    scene.start_kamailio()?;
    scene.wait_until(&TLS, "up")?;
    let (first, second) = scene.talk(&TLS)?;
    scene.finish(&TLS, first, second)?;
    scene.end()
}

/// A carrier, a bridge that is registered there, and a second trunk.
struct Scene<'a> {
    place: &'a Place,
    folder: PathBuf,
    kamailio: Kamailio,
    bridge: Setup,
    running: Running,
    spare: Spare,
}

impl<'a> Scene<'a> {
    fn new(place: &'a Place, folder: &Path) -> Result<Self> {
        let ip = place.carrier.into();
        let ports = [place::free(ip, 0)?, place::free(ip, 0)?];
        let kamailio = Kamailio::new(folder, ip, ports)?;
        let spare = Spare::open(place.phones)?;
        let tls = SocketAddr::new(place.second.into(), place::free(place.second.into(), 0)?);
        let bridge =
            Setup::configured(&folder.join("bridge"), place.second, bridge::program()?, |setup| {
                toml(setup, place, &kamailio, (tls, spare.address))
            })?;
        for line in LINES {
            write_password(&bridge, line, PASSWORD)?;
        }
        place::write_certificate(bridge.folder(), place.second)?;
        place::fill(&bridge)?;
        let folder = folder.to_owned();
        let mut kamailio = kamailio;
        kamailio.start()?;
        introduce(&kamailio)?;
        let running = bridge.start()?;
        let scene = Self { place, folder, kamailio, bridge, running, spare };
        for line in LINES {
            scene.wait_until(line, "up")?;
        }
        Ok(scene)
    }

    /// Starts the carrier again; it knows the bridge's new password or the old one.
    fn start_kamailio(&mut self) -> Result<()> {
        self.kamailio.start()?;
        introduce(&self.kamailio)
    }

    fn write_password(&self, line: &Line, password: &str) -> Result<()> {
        write_password(&self.bridge, line, password)
    }

    /// Waits until the bridge says that a trunk is in a state.
    fn wait_until(&self, line: &Line, state: &str) -> Result<()> {
        let what = format!("trunk {} that is {state}", line.account);
        child::until(REGISTERED, &what, || {
            let page = self.bridge.page("/trunks")?;
            let page: Value = serde_json::from_str(&page)?;
            let trunks = page["trunks"].as_array().context("no list of trunks")?;
            let trunk = trunks.iter().find(|trunk| trunk["name"] == line.account);
            Ok(trunk.is_some_and(|trunk| trunk["state"] == state).then_some(()))
        })
    }

    fn phone(&self, line: &Line, index: usize) -> Result<Phone> {
        let by = line.phones[index];
        let at = match by {
            Transport::Udp | Transport::Tcp => self.kamailio.plain,
            Transport::Tls => self.kamailio.tls,
        };
        let by = by.parameter();
        let owner = Owner {
            number: line.numbers[index],
            host: format!("{DOMAIN}{by}"),
            account: format!(
                ";auth_pass={PASSWORD};outbound=\"sip:{at}{by}\";regint=600;answermode=auto"
            ),
            tone: TONES[index],
            encryption: line.encryption,
        };
        // One scene may have a telephone twice.
        let folder = self.folder.join(format!("phones-{}", self.kamailio.said("CALL ")?));
        fs::create_dir_all(&folder)?;
        let registered = format!("REGISTERED {} ", owner.number);
        let before = self.kamailio.said(&registered)?;
        let phone = Phone::start(self.place.phones, &folder, &owner)?;
        child::until(REGISTERED, "telephone that is registered", || {
            Ok((self.kamailio.said(&registered)? > before).then_some(()))
        })?;
        Ok(phone)
    }

    /// The first calls in by the carrier, and calls the second out by it; both hear each other.
    fn talk(&self, line: &Line) -> Result<(Phone, Phone)> {
        let mut second = self.phone(line, 1)?;
        let mut first = self.phone(line, 0)?;
        self.kamailio.set_number(DIAL_IN, line.account)?;
        first.call(&format!("sip:{DIAL_IN}@{DOMAIN}"))?;
        enter(&mut first, MODERATOR)?;
        wait(SETTLED);
        first.key("*1")?;
        wait(Duration::from_secs(1));
        first.key(&format!("{}#", line.numbers[1]))?;
        second.event("CALL_ESTABLISHED")?;
        wait(SAID);
        Ok((first, second))
    }

    /// Both still hear each other; then the second hangs up, and the first is hung up on.
    fn finish(&self, line: &Line, mut first: Phone, second: Phone) -> Result<()> {
        let both_talk = Instant::now();
        wait(WINDOW);
        let second = second.hang_up()?;
        wait(SETTLED);
        first.key("*99")?;
        wait(Duration::from_secs(1));
        first.key("1")?;
        let first = first.await_end()?;
        hear_each_other(both_talk, &first, &second).with_context(|| format!("by {}", line.account))
    }

    /// A moderator who calls the bridge without the carrier.
    fn direct(&self) -> Result<Phone> {
        let owner = Owner {
            number: "14165550171",
            host: self.place.phones.to_string(),
            account: ";regint=0".to_owned(),
            tone: TONES[0],
            encryption: None,
        };
        let mut phone = Phone::start(self.place.phones, &self.folder, &owner)?;
        phone.call(&format!("sip:{DIAL_IN}@{}", self.bridge.sip()))?;
        enter(&mut phone, MODERATOR)?;
        wait(SETTLED);
        Ok(phone)
    }

    /// A call out that passes over the first trunk takes no longer than one that only the second
    /// may take.
    fn moves_at_once(&self, moderator: &mut Phone, usual: Duration) -> Result<()> {
        let mut took = Duration::MAX;
        for _ in 0..TRIES {
            took = took.min(self.dial_busy(moderator, NOBODY)?);
            if took <= usual + MOVED_AT_ONCE {
                return Ok(());
            }
        }
        bail!("the second trunk was called after {took:?}, {usual:?} where there is no first")
    }

    /// Has the moderator call a number out; how long after that the second trunk is called.
    fn dial_busy(&self, moderator: &mut Phone, wanted: &str) -> Result<Duration> {
        moderator.key("*1")?;
        wait(Duration::from_secs(1));
        moderator.key(&format!("{wanted}#"))?;
        let (called, number) = self.spare.called(Duration::from_secs(10))?;
        ensure!(number == wanted, "the second trunk was called for {number}");
        // Busy is said, and whether to dial again; nobody answers that.
        wait(Duration::from_secs(12));
        let legs = self.bridge.legs()?;
        let last = legs.iter().filter(|leg| leg.text("direction") == "out");
        let last = last.max_by_key(|leg| leg.text("invited_at").to_owned());
        let invited = of_day(last.context("no record of the call out")?)?;
        let called = called.duration_since(UNIX_EPOCH)?.as_micros() % DAY;
        let micros = u64::try_from((called + DAY - invited) % DAY)?;
        Ok(Duration::from_micros(micros))
    }

    fn end(self) -> Result<()> {
        self.kamailio.check()?;
        let status = self.running.terminate()?;
        ensure!(status.success(), "the bridge: {status}");
        let legs = self.bridge.legs()?;
        for leg in &legs {
            ensure!(leg.is_closed(), "a record is open: {leg:?}");
            let of = |index: usize, number: &str| {
                LINES.iter().zip(1..).find(|(line, _)| line.numbers[index] == number)
            };
            let called_in = of(0, leg.text("ani")).map(|(_, id)| id);
            let called_out = of(1, leg.text("dialed_number")).map(|(_, id)| id);
            let trunks = ["trunk_in", "trunk_out"].map(|trunk| leg.number(trunk));
            let known = called_in.is_none() || trunks[0] == called_in;
            ensure!(known, "a call in by trunk {called_in:?}: {leg:?}");
            let known = called_out.is_none() || trunks[1] == called_out;
            ensure!(known, "a call out by trunk {called_out:?}: {leg:?}");
        }
        Ok(())
    }
}

/// Microseconds of a day.
const DAY: u128 = 86_400_000_000;

/// When a call began, in microseconds of its day.
fn of_day(leg: &Leg) -> Result<u128> {
    let text = leg.text("invited_at");
    let read = || -> Option<u128> {
        let (_, time) = text.trim_end_matches('Z').split_once('T')?;
        let (clock, fraction) = time.split_once('.')?;
        let parts = clock.split(':').map(str::parse::<u128>);
        let [hour, minute, second] = parts.collect::<Result<Vec<_>, _>>().ok()?.try_into().ok()?;
        let micros: u128 = format!("{fraction:0<6}").parse().ok()?;
        Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
    };
    read().with_context(|| format!("invited_at is {text:?}"))
}

fn hear_each_other(from: Instant, first: &Recording, second: &Recording) -> Result<()> {
    let [tone_1, tone_2] = TONES;
    first.hears(from, tone_2, tone_1).context("who called in")?;
    second.hears(from, tone_1, tone_2).context("who was called")
}

/// Tells the carrier its customers.
fn introduce(kamailio: &Kamailio) -> Result<()> {
    for line in LINES {
        for account in [line.account].iter().chain(&line.numbers) {
            kamailio.set_password(account, PASSWORD)?;
        }
    }
    Ok(())
}

fn password_file(bridge: &Setup, line: &Line) -> PathBuf {
    bridge.folder().join(format!("{}.password", line.account))
}

fn write_password(bridge: &Setup, line: &Line, password: &str) -> Result<()> {
    let file = password_file(bridge, line);
    let new = file.with_extension("new");
    fs::write(&new, format!("{password}\n"))?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    Ok(fs::rename(new, file)?)
}

/// The bridge with a trunk for each line, and one behind them all.
fn toml(
    setup: &Setup,
    place: &Place,
    kamailio: &Kamailio,
    (tls, spare): (SocketAddr, SocketAddr),
) -> String {
    let (sip, folder) = (setup.sip(), setup.folder().display());
    let trunk = |line: &Line| {
        let by = line.by.name();
        let at = match line.by {
            Transport::Udp | Transport::Tcp => kamailio.plain,
            Transport::Tls => kamailio.tls,
        };
        let tls = match line.by {
            Transport::Udp | Transport::Tcp => String::new(),
            Transport::Tls => {
                format!("tls_name = \"{DOMAIN}\"\ntls_ca = \"{}\"\n", kamailio.ca().display())
            }
        };
        // What is nobody's goes by TLS.
        let prefixes = match line.by {
            Transport::Udp | Transport::Tcp => {
                format!("prefixes = [\"+{}\"]\n", &line.numbers[0][..10])
            }
            Transport::Tls => String::new(),
        };
        format!(
            "[[trunk]]\nname = \"{account}\"\nregister = true\nregistrar = \"{at}\"\n\
             destination = \"{at}\"\ntransport = \"{by}\"\ndomain = \"{DOMAIN}\"\n\
             user = \"{account}\"\npassword_file = \"{folder}/{account}.password\"\n\
             number_format = \"plain\"\n{srtp}\ntrusted = true\nping = \"5s\"\n\
             ping_retry = \"1s\"\nping_patience = \"2s\"\nmedia_sources = [\"127.0.0.1/32\"]\n\
             {tls}{prefixes}\n",
            account = line.account,
            srtp = line.srtp,
        )
    };
    let trunks: String = LINES.into_iter().map(trunk).collect();
    format!(
        "[data]\ndir = \"{data}\"\n\n[sip]\nlisten = [\"{sip}\"]\ntcp = [\"{sip}\"]\n\
         tls = [\"{tls}\"]\ncertificate = \"{folder}/certificate.pem\"\n\
         key = \"{folder}/key.pem\"\n\n[media]\naddress = \"{ip}\"\n\n\
         [http]\nlisten = \"{http}\"\n\n[log]\nfilter = \"debug,sqlx=info\"\n\n\
         {trunks}[[trunk]]\nname = \"second\"\nsources = [\"{phones}/32\"]\n\
         destination = \"{spare}\"\npriority = 1\nnumber_format = \"plain\"\n\
         trusted = true\nmedia_sources = [\"127.0.0.1/32\"]\n\n\
         [[trunk]]\nname = \"straight\"\nsources = [\"{phones}/32\"]\n\
         destination = \"{spare}\"\nprefixes = [\"+{STRAIGHT}\"]\nnumber_format = \"plain\"\n",
        data = setup.data().display(),
        ip = sip.ip(),
        http = setup.http(),
        phones = place.phones,
    )
}
