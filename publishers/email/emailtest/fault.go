package emailtest

import (
	"slices"
	"strings"
	"time"
)

// Phase is a step of a session.
type Phase string

// The phases, in their order.
const (
	Connect  Phase = "connect"  // accepted, nothing said yet
	EHLO     Phase = "EHLO"     // before STARTTLS and after
	STARTTLS Phase = "STARTTLS" // the command
	Shake    Phase = "handshake"
	AUTH     Phase = "AUTH"
	RSET     Phase = "RSET"
	MAIL     Phase = "MAIL"
	RCPT     Phase = "RCPT"
	DATA     Phase = "DATA"     // the command
	Body     Phase = "body"     // while the mail comes in: nothing of it is read
	Dot      Phase = "dot"      // the mail has come in and is not taken
	Accepted Phase = "accepted" // the mail is taken, the answer is not given yet
	QUIT     Phase = "QUIT"
)

// Phases lists them in their order.
func Phases() []Phase {
	return []Phase{Connect, EHLO, STARTTLS, Shake, AUTH, RSET, MAIL, RCPT, DATA, Body, Dot, Accepted, QUIT}
}

// Act is a way to misbehave.
type Act string

// The acts.
const (
	Refuse Act = "refuse" // answer Reply instead of doing it
	Delay  Act = "delay"  // do it after Wait
	Hang   Act = "hang"   // say nothing more, and do nothing, until the client goes away
	Drop   Act = "drop"   // hang up
	Babble Act = "babble" // answer what is not SMTP
	Flood  Act = "flood"  // answer without end
	Drip   Act = "drip"   // answer one byte per Wait
)

// Fault is one thing that goes wrong, once.
type Fault struct {
	Phase Phase
	Act   Act
	Reply string        // "451 4.3.0 try later", with Refuse
	Wait  time.Duration // with Delay and Drip
	To    string        // only for a recipient that contains this; from RCPT on
	Skip  int           // let so many pass first
}

// Fail adds faults. Each is played once, at the first time its phase comes.
func (p *Platform) Fail(f ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f...)
}

// Left is how many faults were not played yet.
func (p *Platform) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.faults)
}

// Heal takes back the faults that were not played yet.
func (p *Platform) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// take removes the fault that is due.
func (p *Platform) take(at Phase, to string) (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.faults, func(f Fault) bool { return f.Phase == at && strings.Contains(to, f.To) })
	if i < 0 {
		return Fault{}, false
	}
	if p.faults[i].Skip > 0 {
		p.faults[i].Skip--
		return Fault{}, false
	}
	f := p.faults[i]
	p.faults = slices.Delete(p.faults, i, i+1)
	return f, true
}
