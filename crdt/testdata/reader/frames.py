"""Reads and writes the frames of package crdt, from the layout at the head of wire.go and with nothing else.

    frames.py [INNER ...] < frames.hex

Each line of the input is a frame in hex. It is taken apart into plain values, which are written again in canonical form, and
the line that comes out must be the same. For a Map, INNER is the type of its values: "MVRegister", or "Map ORSet" for maps
of sets. With -show as first argument, what was read is printed instead. A frame that is wrong ends the program with status 1.
"""

import struct
import sys


class Bad(Exception):
    """The data is not a frame, or not a canonical one."""


class Bin(bytes):
    """A value that stands as bin: a string that is not UTF-8, or of a type of the program's own."""


# --- msgpack


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Bad("it ends too early")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, format):
        return struct.unpack(">" + format, self.take(struct.calcsize(format)))[0]

    def array(self):
        marker = self.number("B")
        if marker & 0xF0 == 0x90:
            return marker & 0x0F
        if marker not in (0xDC, 0xDD):
            raise Bad("not an array: %#x" % marker)
        return self.number("H" if marker == 0xDC else "I")

    def tuple(self, size):
        if self.array() != size:
            raise Bad("not an array of %d" % size)

    def groups(self, size):
        n = self.array()
        if n % size:
            raise Bad("an array of %d, not of groups of %d" % (n, size))
        return range(n // size)

    def value(self):
        marker = self.number("B")
        if marker < 0x80:
            return marker
        if marker >= 0xE0:
            return marker - 0x100
        if marker & 0xE0 == 0xA0:
            return self.take(marker & 0x1F)
        if marker in (0xC2, 0xC3):
            return marker == 0xC3
        if marker == 0xCB:
            return self.number("d")
        integers = {0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
        if marker in integers:
            return self.number(integers[marker])
        lengths = {0xD9: "B", 0xDA: "H", 0xDB: "I", 0xC4: "B", 0xC5: "H", 0xC6: "I"}
        if marker in lengths:
            raw = self.take(self.number(lengths[marker]))
            return raw if marker >= 0xD9 else Bin(raw)
        raise Bad("unknown marker %#x" % marker)

    def name(self):
        name = self.value()
        if not isinstance(name, bytes):
            raise Bad("a name is not a string")
        return name


def head(n, forms):
    """The shortest of some forms that holds n: (limit, marker, format), the first with n in the marker itself."""
    limit, marker, _ = forms[0]
    if n <= limit:
        return bytes([marker | n])
    for limit, marker, format in forms[1:]:
        if n <= limit:
            return bytes([marker]) + struct.pack(">" + format, n)
    raise Bad("too large")


BYTE, SHORT, LONG = 0xFF, 0xFFFF, 0xFFFFFFFF


def array(n):
    return head(n, [(15, 0x90, ""), (SHORT, 0xDC, "H"), (LONG, 0xDD, "I")])


def value(v):
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, int):
        if v >= 0:
            return head(v, [(127, 0, ""), (BYTE, 0xCC, "B"), (SHORT, 0xCD, "H"), (LONG, 0xCE, "I"), (2**64 - 1, 0xCF, "Q")])
        if v >= -32:
            return struct.pack("b", v)
        for bits, marker, format in (7, 0xD0, "b"), (15, 0xD1, "h"), (31, 0xD2, "i"), (63, 0xD3, "q"):
            if v >= -(2**bits):
                return bytes([marker]) + struct.pack(">" + format, v)
        raise Bad("too large")
    if isinstance(v, Bin):
        return head(len(v), [(-1, 0, ""), (BYTE, 0xC4, "B"), (SHORT, 0xC5, "H"), (LONG, 0xC6, "I")]) + v
    return head(len(v), [(31, 0xA0, ""), (BYTE, 0xD9, "B"), (SHORT, 0xDA, "H"), (LONG, 0xDB, "I")]) + v


def flat(groups):
    """One flat array of groups, each a tuple of encoded items."""
    groups = list(groups)
    return array(sum(map(len, groups))) + b"".join(b"".join(g) for g in groups)


# --- what several types share


def read_vector(r):
    nodes = {}
    for _ in r.groups(2):
        name = r.name()
        nodes[name] = [(r.value(), r.value()) for _ in r.groups(2)]
    return nodes


def write_vector(nodes):
    return flat((value(name), flat((value(a), value(b)) for a, b in sorted(runs))) for name, runs in sorted(nodes.items()))


def read_decimal(r):
    d = r.value()
    return d if isinstance(d, int) else d.decode("ascii")


def write_decimal(d):
    if isinstance(d, str):
        d = d.encode("ascii")
    elif d >= 2**63:
        raise Bad("a decimal beyond int 64 is a str")
    return value(d)


class Dotted:
    """Content made by dots, in a body that starts with a vector. A dot is (name, number)."""

    def __init__(self, seen):
        self.seen = seen
        self.names = sorted(seen)

    def read_dot(self, r):
        place, seq = r.value(), r.value()
        if place >= len(self.names):
            raise Bad("a dot of an unknown node")
        name = self.names[place]
        if not any(first <= seq <= last for first, last in self.seen[name]):
            raise Bad("content of a dot that was not seen")
        return name, seq

    def node(self, name):
        return value(self.names.index(name))

    def write_dot(self, dot):
        return self.node(dot[0]) + value(dot[1])


class Dots:
    def read(self, r, d):
        return {d.read_dot(r) for _ in r.groups(2)}

    def write(self, dots, d):
        return flat((d.node(name), value(seq)) for name, seq in sorted(dots))

    def dots(self, dots):
        return dots


class Contest:
    """Two sets of dots: for yes and for no."""

    def read(self, r, d):
        r.tuple(2)
        return Dots().read(r, d), Dots().read(r, d)

    def write(self, both, d):
        return array(2) + Dots().write(both[0], d) + Dots().write(both[1], d)

    def dots(self, both):
        return both[0] | both[1]


class Siblings:
    def read(self, r, d):
        return [(d.read_dot(r), r.value()) for _ in r.groups(3)]

    def write(self, siblings, d):
        return flat((d.node(dot[0]), value(dot[1]), value(v)) for dot, v in sorted(siblings))

    def dots(self, siblings):
        return {dot for dot, _ in siblings}


class Tallies:
    """By node: up to which number increments are folded, their sum, and the single ones after them."""

    def read(self, r, d):
        tallies = {}
        for _ in r.groups(4):
            name, up_to, folded = d.names[r.value()], r.value(), read_decimal(r)
            tallies[name] = up_to, folded, {r.value(): read_decimal(r) for _ in r.groups(2)}
        return tallies

    def write(self, tallies, d):
        return flat(
            (d.node(name), value(up_to), write_decimal(folded), flat((value(n), write_decimal(a)) for n, a in sorted(added.items())))
            for name, (up_to, folded, added) in sorted(tallies.items())
        )

    def dots(self, tallies):
        dots = set()
        for name, (up_to, _, added) in tallies.items():
            dots |= {(name, n) for n in added} | ({(name, 1)} if up_to else set())
        return dots


class Keys:
    """Content under keys, and by key the dots that are waited for."""

    def __init__(self, content):
        self.content = content

    def read(self, r, d):
        r.tuple(2)
        held = {r.value(): self.content.read(r, d) for _ in r.groups(2)}
        return held, {r.value(): read_vector(r) for _ in r.groups(2)}

    def write(self, both, d):
        def place(item):
            key, content = item
            return min(self.content.dots(content), default=(b"", 0)), value(key)

        held, waiting = both
        return (
            array(2)
            + flat((value(key), self.content.write(c, d)) for key, c in sorted(held.items(), key=place))
            + flat(sorted((value(key), write_vector(v)) for key, v in waiting.items()))
        )

    def dots(self, both):
        return set().union(*(self.content.dots(c) for c in both[0].values()))


class Field:
    """What a Map holds under a key: the deletes, and the value without what it has seen."""

    def __init__(self, inner):
        self.inner = inner

    def read(self, r, d):
        r.tuple(2)
        return read_vector(r), self.inner.read(r, d)

    def write(self, both, d):
        return array(2) + write_vector(both[0]) + self.inner.write(both[1], d)

    def dots(self, both):
        return self.inner.dots(both[1])


def content(types):
    """What follows the vector in a body; types is the name of the type and, for a Map, those of its values."""
    if types[0] == "Map":
        if not types[1:]:
            raise Bad("a Map does not say of what it is: name the type of its values")
        return Keys(Field(content(types[1:])))
    return {
        "EWFlag": Dots,
        "DWFlag": Contest,
        "ORSet": lambda: Keys(Dots()),
        "RWSet": lambda: Keys(Contest()),
        "MVRegister": Siblings,
        "ResetCounter": Tallies,
    }[types[0]]()


# --- bodies


class Causal:
    def __init__(self, types):
        self.content = content(types)

    def read(self, r):
        r.tuple(2)
        seen = read_vector(r)
        return seen, self.content.read(r, Dotted(seen))

    def write(self, state):
        seen, held = state
        return array(2) + write_vector(seen) + self.content.write(held, Dotted(seen))


class Totals:
    def read(self, r):
        return {r.name(): read_decimal(r) for _ in r.groups(2)}

    def write(self, totals):
        return flat((value(name), write_decimal(total)) for name, total in sorted(totals.items()))


class PNCounter:
    def read(self, r):
        r.tuple(2)
        return Totals().read(r), Totals().read(r)

    def write(self, both):
        return array(2) + Totals().write(both[0]) + Totals().write(both[1])


class BoundedCounter:
    def read(self, r):
        r.tuple(2)
        return Totals().read(r), {(r.name(), r.name()): read_decimal(r) for _ in r.groups(3)}

    def write(self, both):
        taken, given = both
        rights = flat((value(a), value(b), write_decimal(total)) for (a, b), total in sorted(given.items()))
        return array(2) + Totals().write(taken) + rights


class One:
    def read(self, r):
        return [r.value() for _ in r.groups(1)]

    def write(self, values):
        if len(values) > 1:
            raise Bad("%d values in a register of one" % len(values))
        return flat((value(v),) for v in values)


class GSet:
    def read(self, r):
        return {r.value() for _ in r.groups(1)}

    def write(self, elements):
        return flat((e,) for e in sorted(map(value, elements)))


class AppendLog:
    def read(self, r):
        r.tuple(4)
        seen, since = read_vector(r), (r.value(), r.value())
        d = Dotted(seen)
        return seen, since, [((r.value(), r.value()), d.read_dot(r), r.value()) for _ in r.groups(5)]

    def write(self, state):
        seen, since, entries = state
        d = Dotted(seen)
        listed = ((value(t[0]), value(t[1]), d.node(dot[0]), value(dot[1]), value(v)) for t, dot, v in sorted(entries))
        return array(4) + write_vector(seen) + value(since[0]) + value(since[1]) + flat(listed)


def body(types):
    plain = {
        "GCounter": Totals,
        "PNCounter": PNCounter,
        "BoundedCounter": BoundedCounter,
        "MaxRegister": One,
        "MinRegister": One,
        "LatticeRegister": One,
        "GSet": GSet,
        "AppendLog": AppendLog,
    }
    return plain[types[0]]() if types[0] in plain else Causal(types)


# --- frames


def crc32c(data):
    crc = LONG
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ LONG


def read(frame, inner):
    """Takes a frame apart, and returns the types and the state."""
    r = Reader(frame)
    r.tuple(4)
    types = [r.name().decode("ascii")] + inner
    if r.value() != 1:
        raise Bad("of another version")
    data = r.value()
    if not isinstance(data, Bin):
        raise Bad("the body is not a bin")
    checked = frame[: r.at]
    if r.value() != crc32c(checked):
        raise Bad("the checksum is wrong")
    inside = Reader(data)
    state = body(types).read(inside)
    if inside.at != len(data) or r.at != len(frame):
        raise Bad("something is left over")
    return types, state


def write(types, state):
    data = body(types).write(state)
    frame = array(4) + value(types[0].encode("ascii")) + value(1) + b"\xc6" + struct.pack(">I", len(data)) + data
    return frame + b"\xce" + struct.pack(">I", crc32c(frame))


def main(args):
    show = args[:1] == ["-show"]
    inner = args[1:] if show else args
    for number, line in enumerate(sys.stdin, 1):
        try:
            frame = bytes.fromhex(line.strip())
            types, state = read(frame, inner)
            if write(types, state) != frame:
                raise Bad("written again it is %s" % write(types, state).hex())
        except (Bad, KeyError, IndexError, TypeError, ValueError) as error:
            sys.exit("line %d: %s" % (number, error))
        print(state if show else write(types, state).hex())


if __name__ == "__main__":
    main(sys.argv[1:])
