package history

import "github.com/tiebreakhq/tiebreak/merge/value"

// shortNames are the names of the members as a scanner reads them at once, but for those that are longer.
const (
	shortKey     value.ShortName = 0x79656b         // key
	shortField   value.ShortName = 0x646c656966     // field
	shortValue   value.ShortName = 0x65756c6176     // value
	shortFields  value.ShortName = 0x73646c656966   // fields
	shortOp      value.ShortName = 0x706f           // op
	shortNode    value.ShortName = 0x65646f6e       // node
	shortVersion value.ShortName = 0x6e6f6973726576 // version
	shortTime    value.ShortName = 0x656d6974       // time
	shortID      value.ShortName = 0x6469           // id
	shortSeen    value.ShortName = 0x6e656573       // seen
	shortBase    value.ShortName = 0x65736162       // base
	shortBefore  value.ShortName = 0x65726f666562   // before
	shortTx      value.ShortName = 0x7874           // tx
	shortWant    value.ShortName = 0x746e6177       // want
	shortSaw     value.ShortName = 0x776173         // saw
	shortStart   value.ShortName = 0x7472617473     // start
	shortEnd     value.ShortName = 0x646e65         // end
	shortSession value.ShortName = 0x6e6f6973736573 // session
)

// shortMember is memberOf for a short name.
func shortMember(name value.ShortName) (member, bool) {
	switch name {
	case shortKey:
		return memberKey, true
	case shortField:
		return memberField, true
	case shortValue:
		return memberValue, true
	case shortFields:
		return memberFields, true
	case shortOp:
		return memberOp, true
	case shortNode:
		return memberNode, true
	case shortVersion:
		return memberVersion, true
	case shortTime:
		return memberTime, true
	case shortID:
		return memberID, true
	case shortSeen:
		return memberSeen, true
	case shortBase:
		return memberBase, true
	case shortBefore:
		return memberBefore, true
	case shortTx:
		return memberTx, true
	case shortWant:
		return memberWant, true
	case shortSaw:
		return memberSaw, true
	case shortStart:
		return memberStart, true
	case shortEnd:
		return memberEnd, true
	case shortSession:
		return memberSession, true
	}
	return 0, false
}
