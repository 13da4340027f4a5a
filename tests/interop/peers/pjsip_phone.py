"""A PJSIP telephone: calls, keys digits in, sends a tone from a file and records what it hears.

Prints TALK when it is in the conference, and HELD and RESUMED around a hold by re-INVITE; ends with 1
where a call does not come up or is over early.
"""

import argparse
import sys
import threading
import time

import pjsua2 as pj


class Call(pj.Call):
    """A call whose sound goes to and comes from files."""

    def __init__(self, account, phone):
        super().__init__(account)
        self.phone = phone
        self.up = threading.Event()
        self.over = threading.Event()
        self.reason = ""

    def onCallState(self, _):
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.up.set()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.reason = f"{info.lastStatusCode} {info.lastReason}"
            self.over.set()

    def onCallMediaState(self, _):
        # The list goes with what it was taken from.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                sound = self.getAudioMedia(index)
                self.phone.player.startTransmit(sound)
                sound.startTransmit(self.phone.recorder)


class Phone:
    """The library, with no sound card."""

    def __init__(self, options):
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = 5
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = options.log
        config.medConfig.clockRate = 8000
        config.medConfig.sndClockRate = 8000
        self.endpoint.libInit(config)
        kind = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP,
                "tls": pj.PJSIP_TRANSPORT_TLS}[options.transport]
        transport = pj.TransportConfig()
        transport.boundAddress = options.address
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(options.tone)
        self.recorder = pj.AudioMediaRecorder()
        self.recorder.createRecorder(options.record)

    def account(self, options):
        """Who calls; it registers nowhere."""
        config = pj.AccountConfig()
        config.idUri = f"sip:{options.user}@{options.realm}"
        config.regConfig.registerOnAdd = False
        login = pj.AuthCredInfo("digest", options.realm, options.user, 0, options.password)
        config.sipConfig.authCreds.append(login)
        calls = config.callConfig
        calls.prackUse = {"off": pj.PJSUA_100REL_NOT_USED, "offer": pj.PJSUA_100REL_OPTIONAL,
                          "require": pj.PJSUA_100REL_MANDATORY}[options.prack]
        calls.timerUse = {"off": pj.PJSUA_SIP_TIMER_INACTIVE, "offer": pj.PJSUA_SIP_TIMER_OPTIONAL,
                          "require": pj.PJSUA_SIP_TIMER_REQUIRED}[options.timers]
        media = config.mediaConfig
        media.transportConfig.boundAddress = options.address
        media.srtpUse = {"none": pj.PJMEDIA_SRTP_DISABLED, "offer": pj.PJMEDIA_SRTP_OPTIONAL,
                         "require": pj.PJMEDIA_SRTP_MANDATORY}[options.srtp]
        media.srtpSecureSignaling = 0
        keying = pj.PJMEDIA_SRTP_KEYING_SDES
        if options.keying == "dtls":
            keying = pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP
        media.srtpOpt.keyings = pj.IntVector([keying])
        account = pj.Account()
        account.create(config)
        return account


def wait(event, seconds, call, what):
    """Waits, and ends the program where the call is over first."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if event.wait(0.02):
            return
        if call.over.is_set():
            sys.exit(f"{what}: the call is over: {call.reason}")
    if event is not call.over:
        sys.exit(f"{what}: not within {seconds} s")


def main():
    words = argparse.ArgumentParser(description=__doc__)
    for name in ("uri", "address", "transport", "user", "password", "realm", "digits", "tone",
                 "record", "log"):
        words.add_argument(f"--{name}", required=True)
    words.add_argument("--prack", default="offer")
    words.add_argument("--timers", default="offer")
    words.add_argument("--srtp", default="none")
    words.add_argument("--keying", default="sdes")
    options = words.parse_args()
    phone = Phone(options)
    account = phone.account(options)
    call = Call(account, phone)
    call.makeCall(options.uri, pj.CallOpParam(True))
    wait(call.up, 15, call, "answer")
    time.sleep(1)
    call.dialDtmf(options.digits)
    time.sleep(0.25 * len(options.digits) + 4)
    print("TALK", flush=True)
    time.sleep(2.5)
    call.setHold(pj.CallOpParam(True))
    time.sleep(1)
    print("HELD", flush=True)
    time.sleep(2.5)
    again = pj.CallOpParam(True)
    again.opt.flag = pj.PJSUA_CALL_UNHOLD
    call.reinvite(again)
    time.sleep(1)
    print("RESUMED", flush=True)
    time.sleep(2.5)
    if call.over.is_set():
        sys.exit(f"the call is over: {call.reason}")
    call.hangup(pj.CallOpParam(True))
    call.over.wait(5)
    print("OVER", flush=True)
    # The file is written when the recorder goes; the library asserts where a call outlives it.
    phone.recorder = phone.player = None
    del call, account
    phone.endpoint.libDestroy()


main()
