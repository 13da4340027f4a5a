//! Telephones that register with a bridge of their own, call, are called, and somebody who guesses.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_tests::real::bridge::{self, Setup};
use serde_json::Value;

use crate::baresip::{SETTLED, TONES, Transport, enter};
use crate::child::{self, Running};
use crate::phone::{Owner, Phone, WINDOW, wait};
use crate::place::{self, DIAL_IN, MODERATOR, Place};

const REALM: &str = "phones.example";
const PASSWORD: &str = "zanzibar";
const RENEWED: &str = "rubicon";
/// A registration and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is said to who is called, and to who called him, is over after this.
const SAID: Duration = Duration::from_secs(9);
/// Wrong passwords for one user after which nobody listens.
const GUESSES: usize = 5;

/// Trunks: their names, whether their users come from loopback's first address, and how sound is
/// encrypted. Those with users are there, in this order.
const TRUNKS: [(&str, bool, &str); 3] = [
    ("plain", false, "srtp = \"off\""),
    ("secret", true, "srtp = \"required\""),
    ("dtls", true, "srtp = \"required\"\nsrtp_keys = \"dtls\""),
];

/// A user, his trunk and number, and how his telephone reaches the bridge.
struct User {
    name: &'static str,
    trunk: &'static str,
    number: &'static str,
    by: Transport,
    encryption: Option<&'static str>,
}

const ANNA: User = User {
    name: "anna",
    trunk: "plain",
    number: "14165550181",
    by: Transport::Udp,
    encryption: None,
};
/// His telephone takes no call that offers RTP/AVP, not even with keys.
const BEN: User = User {
    name: "ben",
    trunk: "secret",
    number: "14165550182",
    by: Transport::Tls,
    encryption: Some("srtp-mand"),
};
/// His telephone offers RTP/AVP with keys.
const ERIC: User = User {
    name: "eric",
    trunk: "dtls",
    number: "14165550185",
    by: Transport::Tcp,
    encryption: Some("srtp"),
};
/// Her telephone takes no call whose keys do not come by DTLS.
const FAY: User = User {
    name: "fay",
    trunk: "dtls",
    number: "14165550186",
    by: Transport::Tcp,
    encryption: Some("dtls_srtp"),
};
/// Only sipsak registers as Carl and Dora.
const CARL: User = User {
    name: "carl",
    trunk: "secret",
    number: "14165550183",
    by: Transport::Udp,
    encryption: None,
};
const DORA: User = User { name: "dora", number: "14165550184", ..CARL };
/// Those who are known in each case.
const USERS: [&User; 4] = [&ANNA, &BEN, &CARL, &DORA];
const BY_TCP: [&User; 2] = [&ERIC, &FAY];

/// Anna calls in, and calls Ben at his number; somebody guesses at Carl's password from where Dora is.
///
/// # Errors
/// They do not hear each other, records have other numbers, or the guesser gets in.
pub(crate) fn register(place: &Place, folder: &Path) -> Result<()> {
    let scene = Scene::new(place, folder, &USERS)?;
    scene.talk([&ANNA, &BEN], || guess(&scene))?;
    scene.end([&ANNA, &BEN])
}

/// Eric calls in with keys in RTP/AVP, and calls Fay, whose keys come by DTLS; both by TCP.
///
/// # Errors
/// They do not hear each other, or records have other numbers.
pub(crate) fn by_tcp(place: &Place, folder: &Path) -> Result<()> {
    let scene = Scene::new(place, folder, &BY_TCP)?;
    scene.talk([&ERIC, &FAY], || Ok(()))?;
    scene.end([&ERIC, &FAY])
}

/// A bridge with users.
struct Scene<'a> {
    place: &'a Place,
    folder: &'a Path,
    bridge: Setup,
    running: bridge::Running,
    users: &'a [&'a User],
    /// Where the bridge takes connections by TLS.
    tls: SocketAddr,
}

impl<'a> Scene<'a> {
    fn new(place: &'a Place, folder: &'a Path, users: &'a [&'a User]) -> Result<Self> {
        let tls = SocketAddr::new(place.second.into(), place::free(place.second.into(), 0)?);
        let bridge =
            Setup::configured(&folder.join("bridge"), place.second, bridge::program()?, |setup| {
                toml(setup, place, tls, users)
            })?;
        for user in users {
            write_password(&bridge, user, PASSWORD)?;
        }
        place::write_certificate(bridge.folder(), place.second)?;
        place::fill(&bridge)?;
        let running = bridge.start()?;
        Ok(Self { place, folder, bridge, running, users, tls })
    }

    /// The first calls in and has the second called; `meanwhile` is done while both are there.
    fn talk(
        &self,
        [caller, callee]: [&User; 2],
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let (mut first, mut second) = (self.phone(caller, 0)?, self.phone(callee, 1)?);
        first.call(&format!("sip:{DIAL_IN}@{REALM}"))?;
        enter(&mut first, MODERATOR)?;
        wait(SETTLED);
        first.key("*1")?;
        wait(Duration::from_secs(1));
        first.key(&format!("{}#", callee.number))?;
        second.event("CALL_ESTABLISHED")?;
        wait(SAID);
        let both_talk = Instant::now();
        wait(WINDOW);
        meanwhile()?;
        let (second, first) = (second.hang_up()?, first.hang_up()?);
        let [tone_1, tone_2] = TONES;
        first.hears(both_talk, tone_2, tone_1).context(caller.name)?;
        second.hears(both_talk, tone_1, tone_2).context(callee.name)
    }

    /// The caller's call has his number, though his telephone says only his name, and the callee was
    /// called by no carrier.
    fn end(self, [caller, callee]: [&User; 2]) -> Result<()> {
        let status = self.running.terminate()?;
        ensure!(status.success(), "the bridge: {status}");
        let legs = self.bridge.legs()?;
        let find = |field: &str, number: &str| legs.iter().find(|leg| leg.text(field) == number);
        let call = find("ani", caller.number).context("no call has the caller's number")?;
        let id = |user: &User| {
            let place = trunks(self.users).position(|(name, ..)| *name == user.trunk);
            place.and_then(|place| u64::try_from(place + 1).ok())
        };
        ensure!(call.number("trunk_in") == id(caller), "the caller's call: {call:?}");
        let out = find("dialed_number", callee.number).context("the callee was not called")?;
        let by = out.number("trunk_out");
        ensure!(by == id(callee) && out.is_answered(), "the callee's call: {out:?}");
        ensure!(legs.len() == 2 && legs.iter().all(|leg| leg.is_closed()), "records: {legs:?}");
        Ok(())
    }

    /// Where the bridge is reached.
    fn reached(&self, by: Transport) -> SocketAddr {
        match by {
            Transport::Udp | Transport::Tcp => self.bridge.sip(),
            Transport::Tls => self.tls,
        }
    }

    fn phone(&self, user: &User, index: usize) -> Result<Phone> {
        let (at, by) = (self.reached(user.by), user.by.parameter());
        let owner = Owner {
            number: user.name,
            host: format!("{REALM}{by}"),
            account: format!(
                ";auth_pass={PASSWORD};outbound=\"sip:{at}{by}\";regint=600;answermode=auto"
            ),
            tone: TONES[index],
            encryption: user.encryption,
        };
        let phone = Phone::start(self.place.phones, self.folder, &owner)?;
        registered(&self.bridge, user)?;
        Ok(phone)
    }
}

/// Waits until a user can be reached at one place.
fn registered(bridge: &Setup, user: &User) -> Result<()> {
    let what = format!("registration of {}", user.name);
    child::until(PATIENCE, &what, || Ok((bindings(bridge, user)?.len() == 1).then_some(())))
}

/// Where a user can be reached, as the bridge says.
fn bindings(bridge: &Setup, user: &User) -> Result<Vec<Value>> {
    let page = bridge.run(&["user", "list", "--json"])?;
    let page: Value = serde_json::from_str(&page)?;
    let users = page["users"].as_array().context("no list of users")?;
    let known = users.iter().find(|known| known["name"] == user.name);
    let bindings = known.and_then(|known| known["bindings"].as_array());
    bindings.cloned().with_context(|| format!("{} is no user", user.name))
}

/// sipsak registers as Dora by every transport, has another password, guesses at Carl's, and then does
/// not get in as Carl even by the right one, while Dora still does from the same address.
fn guess(scene: &Scene<'_>) -> Result<()> {
    let bridge = &scene.bridge;
    let mut sak = Sak { scene, port: scene.place.port(0)?, tries: 0 };
    for by in [Transport::Tcp, Transport::Tls] {
        ensure!(sak.registers(&DORA, PASSWORD, Transport::Udp)?, "sipsak does not register");
        reached(bridge, &DORA, &["udp"])?;
        ensure!(sak.registers(&DORA, PASSWORD, by)?, "sipsak does not register{}", by.parameter());
        // It is the same place, and goes with the connection.
        reached(bridge, &DORA, &[])?;
    }
    renew_password(bridge, &DORA, RENEWED)?;
    let mut register = |user: &User, password: &str| sak.registers(user, password, Transport::Udp);
    ensure!(!register(&DORA, PASSWORD)?, "the password before still registers");
    ensure!(register(&DORA, RENEWED)?, "another password does not register");
    for guess in 0..GUESSES {
        ensure!(!register(&CARL, &format!("guess{guess}"))?, "a wrong password registers");
    }
    ensure!(!register(&CARL, PASSWORD)?, "who guessed is still listened to");
    ensure!(register(&DORA, RENEWED)?, "who was right there before is no longer listened to");
    let wrong = format!("partyline_user_requests_total{{result=\"wrong\"}} {}\n", GUESSES + 1);
    child::until(PATIENCE, "count of wrong passwords", || {
        Ok(bridge.metrics()?.contains(&wrong).then_some(()))
    })?;
    ensure!(bindings(bridge, &CARL)?.is_empty(), "carl is registered");
    reached(bridge, &DORA, &["udp"])
}

/// Waits until a user can be reached in these ways, and in no other.
fn reached(bridge: &Setup, user: &User, by: &[&str]) -> Result<()> {
    child::until(PATIENCE, &format!("{} at {by:?}", user.name), || {
        let bindings = bindings(bridge, user)?;
        Ok(bindings.iter().map(|binding| &binding["transport"]).eq(by).then_some(()))
    })
}

/// sipsak, whose registrations are all for one place.
struct Sak<'a> {
    scene: &'a Scene<'a>,
    port: u16,
    tries: usize,
}

impl Sak<'_> {
    /// Whether a registration is granted.
    fn registers(&mut self, user: &User, password: &str, by: Transport) -> Result<bool> {
        self.tries += 1;
        let uri = format!("sip:{}@{}", user.name, self.scene.reached(by));
        let contact = format!("sip:{}@{}:{}", user.name, self.scene.place.phones, self.port);
        let mut command = Command::new("sipsak");
        command.args(["-U", "-i", "-x", "60", "-s", &uri, "-C", &contact, "-a", password]);
        // Where the URI has a port, sipsak 0.9.8.1 takes "carl@" for the name.
        command.args(["-u", user.name, "-E", by.name()]);
        if matches!(by, Transport::Tls) {
            let certificate = self.scene.bridge.folder().join("certificate.pem");
            command.arg("--tls-ca-cert").arg(certificate);
            // Under TLS 1.3 it takes the session tickets for the end of the connection.
            let priorities = self.scene.folder.join("gnutls.conf");
            fs::write(&priorities, "[overrides]\ndisabled-version = tls1.3\n")?;
            command.env("GNUTLS_SYSTEM_PRIORITY_FILE", priorities);
        }
        let log = self.scene.folder.join(format!("sipsak-{}.log", self.tries));
        Ok(Running::start("sipsak", &mut command, &log)?.wait(PATIENCE)?.success())
    }
}

fn write_password(bridge: &Setup, user: &User, password: &str) -> Result<()> {
    let file = password_file(bridge, user);
    let new = file.with_extension("new");
    fs::write(&new, password)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    Ok(fs::rename(new, file)?)
}

/// Gives a user another password, and waits until the bridge says that it has it.
fn renew_password(bridge: &Setup, user: &User, password: &str) -> Result<()> {
    write_password(bridge, user, password)?;
    let said = format!("its password was read anew user=\"{}\"", user.name);
    child::until(PATIENCE, "other password", || {
        Ok(fs::read_to_string(bridge.log())?.contains(&said).then_some(()))
    })
}

fn password_file(bridge: &Setup, user: &User) -> PathBuf {
    bridge.folder().join(format!("{}.password", user.name))
}

fn trunks(users: &[&User]) -> impl Iterator<Item = &'static (&'static str, bool, &'static str)> {
    TRUNKS.iter().filter(|(name, ..)| users.iter().any(|user| user.trunk == *name))
}

/// A bridge whose trunks have users. Their connections, and sipsak, come from loopback's first
/// address; and both programs give up where there is any algorithm but MD5, the default.
fn toml(setup: &Setup, place: &Place, tls: SocketAddr, users: &[&User]) -> String {
    let (sip, folder) = (setup.sip(), setup.folder().display());
    let user = |user: &&User| {
        format!(
            "[[user]]\nname = \"{}\"\ntrunk = \"{}\"\nnumber = \"{}\"\n\
             password_file = \"{}\"\n\n",
            user.name,
            user.trunk,
            user.number,
            password_file(setup, user).display()
        )
    };
    let trunk = |(name, from_loopback, srtp): &(&str, bool, &str)| {
        let source = if *from_loopback { Ipv4Addr::LOCALHOST.into() } else { place.phones };
        format!(
            "[[trunk]]\nname = \"{name}\"\ndomain = \"{REALM}\"\nkind = \"phones\"\n\
             sources = [\"{source}/32\"]\n{srtp}\n\
             media_sources = [\"127.0.0.1/32\"]\nnumber_format = \"plain\"\n\n"
        )
    };
    let trunks: String = trunks(users).map(trunk).collect();
    let users: String = users.iter().map(user).collect();
    format!(
        "[data]\ndir = \"{data}\"\n\n[sip]\nlisten = [\"{sip}\"]\ntcp = [\"{sip}\"]\n\
         tls = [\"{tls}\"]\ncertificate = \"{folder}/certificate.pem\"\n\
         key = \"{folder}/key.pem\"\n\n[media]\naddress = \"{ip}\"\n\n\
         [http]\nlisten = \"{http}\"\n\n[log]\nfilter = \"debug,sqlx=info\"\n\n\
         {trunks}{users}",
        data = setup.data().display(),
        ip = sip.ip(),
        http = setup.http(),
    )
}
