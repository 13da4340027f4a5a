//! Telephones that register with a bridge of their own, call, are called, and somebody who guesses.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
/// Only sipsak registers as Carl and Dora.
const CARL: User = User {
    name: "carl",
    trunk: "secret",
    number: "14165550183",
    by: Transport::Udp,
    encryption: None,
};
const DORA: User = User { name: "dora", number: "14165550184", ..CARL };
const USERS: [&User; 4] = [&ANNA, &BEN, &CARL, &DORA];

/// Anna calls in, and calls Ben at his number; somebody guesses at Carl's password from where Dora is.
///
/// # Errors
/// They do not hear each other, records have other numbers, or the guesser gets in.
pub(crate) fn register(place: &Place, folder: &Path) -> Result<()> {
    let tls = SocketAddr::new(place.second.into(), place::free(place.second.into(), 0)?);
    let bridge =
        Setup::configured(&folder.join("bridge"), place.second, bridge::program()?, |setup| {
            toml(setup, place, tls)
        })?;
    for user in USERS {
        write_password(&bridge, user, PASSWORD)?;
    }
    place::write_certificate(bridge.folder(), place.second)?;
    place::fill(&bridge)?;
    let running = bridge.start()?;
    let phone = |user: &User, index: usize| phone(place, folder, &bridge, (tls, user, index));
    let (mut anna, mut ben) = (phone(&ANNA, 0)?, phone(&BEN, 1)?);
    anna.call(&format!("sip:{DIAL_IN}@{REALM}"))?;
    enter(&mut anna, MODERATOR)?;
    wait(SETTLED);
    anna.key("*1")?;
    wait(Duration::from_secs(1));
    anna.key(&format!("{}#", BEN.number))?;
    ben.event("CALL_ESTABLISHED")?;
    wait(SAID);
    let both_talk = Instant::now();
    wait(WINDOW);
    guess(place, folder, &bridge)?;
    let (ben, anna) = (ben.hang_up()?, anna.hang_up()?);
    let [tone_1, tone_2] = TONES;
    anna.hears(both_talk, tone_2, tone_1).context("anna")?;
    ben.hears(both_talk, tone_1, tone_2).context("ben")?;
    let status = running.terminate()?;
    ensure!(status.success(), "the bridge: {status}");
    check_records(&bridge)
}

/// Anna's call has her number, though her telephone says only her name, and Ben was called by no
/// carrier.
fn check_records(bridge: &Setup) -> Result<()> {
    let legs = bridge.legs()?;
    let find = |field: &str, number: &str| legs.iter().find(|leg| leg.text(field) == number);
    let call = find("ani", ANNA.number).context("no call has anna's number")?;
    ensure!(call.number("trunk_in") == Some(1), "anna's call: {call:?}");
    let out = find("dialed_number", BEN.number).context("ben was not called")?;
    ensure!(out.number("trunk_out") == Some(2) && out.is_answered(), "ben's call: {out:?}");
    ensure!(legs.len() == 2 && legs.iter().all(|leg| leg.is_closed()), "records: {legs:?}");
    Ok(())
}

fn phone(
    place: &Place,
    folder: &Path,
    bridge: &Setup,
    (tls, user, index): (SocketAddr, &User, usize),
) -> Result<Phone> {
    let at = match user.by {
        Transport::Udp | Transport::Tcp => bridge.sip(),
        Transport::Tls => tls,
    };
    let by = user.by.parameter();
    let owner = Owner {
        number: user.name,
        host: format!("{REALM}{by}"),
        account: format!(
            ";auth_pass={PASSWORD};outbound=\"sip:{at}{by}\";regint=600;answermode=auto"
        ),
        tone: TONES[index],
        encryption: user.encryption,
    };
    let phone = Phone::start(place.phones, folder, &owner)?;
    registered(bridge, user)?;
    Ok(phone)
}

/// Waits until a user can be reached at one place.
fn registered(bridge: &Setup, user: &User) -> Result<()> {
    let what = format!("registration of {}", user.name);
    child::until(PATIENCE, &what, || Ok((bindings(bridge, user)? == 1).then_some(())))
}

/// At how many places a user can be reached, as the bridge says.
fn bindings(bridge: &Setup, user: &User) -> Result<usize> {
    let page = bridge.run(&["user", "list", "--json"])?;
    let page: Value = serde_json::from_str(&page)?;
    let users = page["users"].as_array().context("no list of users")?;
    let known = users.iter().find(|known| known["name"] == user.name);
    let bindings = known.and_then(|known| known["bindings"].as_array());
    bindings.map(Vec::len).with_context(|| format!("{} is no user", user.name))
}

/// sipsak registers as Dora, whose password changes meanwhile, guesses at Carl's password, and then does not get in as Carl even by the
/// right one, while Dora still does from the same address.
fn guess(place: &Place, folder: &Path, bridge: &Setup) -> Result<()> {
    let mut tries = 0;
    let port = place.port(0)?;
    let mut register = |user: &User, password: &str| -> Result<bool> {
        tries += 1;
        let uri = format!("sip:{}@{}", user.name, bridge.sip());
        let contact = format!("sip:{}@{}:{port}", user.name, place.phones);
        let mut command = Command::new("sipsak");
        command.args(["-U", "-i", "-x", "60", "-s", &uri, "-C", &contact, "-a", password]);
        // Where the URI has a port, sipsak 0.9.8.1 takes "carl@" for the name.
        command.args(["-u", user.name]);
        let log = folder.join(format!("sipsak-{tries}.log"));
        Ok(Running::start("sipsak", &mut command, &log)?.wait(PATIENCE)?.success())
    };
    ensure!(register(&DORA, PASSWORD)?, "sipsak does not register by the right password");
    registered(bridge, &DORA)?;
    renew_password(bridge, &DORA, RENEWED)?;
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
    ensure!(bindings(bridge, &CARL)? == 0, "carl is registered");
    ensure!(bindings(bridge, &DORA)? == 1, "dora is registered otherwise than once");
    Ok(())
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

/// A bridge whose trunks have users. Their connections, and sipsak, come from loopback's first
/// address; and both programs give up where there is any algorithm but MD5, the default.
fn toml(setup: &Setup, place: &Place, tls: SocketAddr) -> String {
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
    let users: String = USERS.iter().map(user).collect();
    let trunk = |name: &str, source: IpAddr, srtp: &str| {
        format!(
            "[[trunk]]\nname = \"{name}\"\ndomain = \"{REALM}\"\nkind = \"phones\"\n\
             sources = [\"{source}/32\"]\nsrtp = \"{srtp}\"\n\
             media_sources = [\"127.0.0.1/32\"]\nnumber_format = \"plain\"\n\n"
        )
    };
    format!(
        "[data]\ndir = \"{data}\"\n\n[sip]\nlisten = [\"{sip}\"]\ntcp = [\"{sip}\"]\n\
         tls = [\"{tls}\"]\ncertificate = \"{folder}/certificate.pem\"\n\
         key = \"{folder}/key.pem\"\n\n[media]\naddress = \"{ip}\"\n\n\
         [http]\nlisten = \"{http}\"\n\n[log]\nfilter = \"debug,sqlx=info\"\n\n\
         {plain}{secret}{users}",
        data = setup.data().display(),
        ip = sip.ip(),
        http = setup.http(),
        plain = trunk("plain", place.phones, "off"),
        secret = trunk("secret", Ipv4Addr::LOCALHOST.into(), "required"),
    )
}
