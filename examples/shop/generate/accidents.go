package main

import (
	"fmt"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The accidents that are planted one by one, and how many of each. The cut and the clocks make the rest by themselves.
const (
	sharedEmails   = 3  // unique_violation
	deleteRaces    = 8  // partial_row, where the later write is not the delete
	brokenWindows  = 8  // invariant_broken
	ticketClashes  = 6  // decided by prefer
	movedHouses    = 10 // decided by version, against the later write
	bonuses        = 12 // a number read and written on both sides
	stocktakes     = 40 // missing_before_image
	recounts       = 3  // missing_before_image and counter_regressed
	lateCancels    = 12 // mixed_precision, where the cancel came within the second
	doubleWeights  = 5  // ambiguous_order
	doubleReports  = 7  // probable_duplicate
	feedRows       = 40 // written by two feeds of one name: every fourth differs, which is a stamp_collision
	overrides      = 20 // of a price; the feed overwrites them blindly
	takenTrophies  = 5  // not_monotonic
	halfAddresses  = 4  // partial_row
	reusedIDs      = 4  // op_id_reused
	relayedWrites  = 2  // source_mismatch
	confusableKeys = 2  // confusable_keys
)

func (s *shop) accidents() {
	s.sameEmailTwice()
	s.deletedWhileUsed()
	s.brokenWindow()
	s.closedAndReopened()
	s.movedHouse()
	s.bonusOnBothSides()
	s.banners()
	s.priceFeeds()
	s.oldSystem()
	s.carelessClients()
}

// each plans a number of like things, a little apart.
func (s *shop) each(n int, from, gap time.Duration, do func(i int)) {
	for i := range n {
		s.at(from+time.Duration(i)*gap+s.between(0, gap/2), func() { do(i) })
	}
}

// during is the time into the cut.
func during(minutes int) time.Duration { return cutFrom + time.Duration(minutes)*time.Minute }

// sameEmailTwice: a customer registers in eu-west, waits for the mail that does not come, and registers in us-east. No
// site alone breaks the rule that emails are unique. The merge does.
func (s *shop) sameEmailTwice() {
	register := func(at, number int, email string) {
		id := fmt.Sprintf("users/u-%04d", number)
		s.write(s.sites[at], set(id, text("email", email), text("name", "New Customer"), text("since", "2026-05-20")), true)
	}
	s.each(sharedEmails, during(6), 20*time.Second, func(i int) {
		email := fmt.Sprintf("impatient.%d@example.com", i+1)
		register(euWest, 6001+2*i, email)
		s.after(50*time.Second, 90*time.Second, func() { register(usEast, 6002+2*i, email) })
	})
}

// deletedWhileUsed: eu-west deletes an account as the customer asked, while us-east, which can't know, takes a change of
// name from another device. Half of the changes come before the delete and half after.
func (s *shop) deletedWhileUsed() {
	key := func(i int) string { return fmt.Sprintf("users/u-%04d", 7001+i) }
	s.each(deleteRaces, time.Hour, time.Minute, func(i int) {
		s.write(s.sites[euWest], set(key(i), text("email", fmt.Sprintf("leaving.%d@example.com", i+1)), text("name", "Leaving Customer")), true)
	})
	s.each(deleteRaces, during(10), time.Second, func(i int) {
		s.write(s.sites[euWest], change(key(i), merge.Delete), true)
	})
	s.each(deleteRaces, during(8), 30*time.Second, func(i int) {
		s.write(s.sites[usEast], set(key(i), text("name", "Staying Customer")), true)
	})
}

// brokenWindow: a delivery window from nine to twelve. One side lets it begin later, the other lets it end earlier, each
// within what it sees. Together it ends before it begins.
func (s *shop) brokenWindow() {
	orders := make([]*order, brokenWindows)
	s.each(brokenWindows, 10*time.Hour, time.Minute, func(i int) {
		c := s.customers[euWest][i]
		orders[i] = s.newOrder(c)
		w := set(orders[i].key(), text("customer", c.id), text("status", "placed"), text("start", "2026-05-22 09:00"), text("end", "2026-05-22 12:00"))
		w.order, w.step = orders[i], "placed"
		s.write(s.sites[euWest], w, true)
	})
	s.each(brokenWindows, during(5), 20*time.Second, func(i int) {
		s.write(s.sites[euWest], set(orders[i].key(), text("start", "2026-05-22 11:00")), true)
	})
	s.each(brokenWindows, during(9), 20*time.Second, func(i int) {
		s.write(s.sites[usEast], set(orders[i].key(), text("end", "2026-05-22 10:00")), true)
	})
}

// closedAndReopened: eu-west closes a ticket, and a desk in us-east, later, opens it again for a colleague.
func (s *shop) closedAndReopened() {
	key := func(i int) string { return fmt.Sprintf("ticket/%d", 101+i) }
	to := func(at int, status string) func(int) {
		return func(i int) { s.write(s.sites[at], version(set(key(i), text("status", status)), s.sites[at]), true) }
	}
	s.each(ticketClashes, cutFrom-40*time.Minute, time.Minute, to(euWest, "new"))
	s.each(ticketClashes, cutFrom-20*time.Minute, time.Minute, to(euWest, "open"))
	s.each(ticketClashes, during(4), time.Minute, to(euWest, "closed"))
	s.each(ticketClashes, during(12), time.Minute, to(usEast, "open"))
}

// movedHouse: a new address in eu-west, corrected a minute later, and a newer one in us-east. The two versions of eu-west
// beat the one of us-east, which is the last: versions count writes, and a busier side has more.
func (s *shop) movedHouse() {
	move := func(at int, street string) func(int) {
		return func(i int) {
			w := set(fmt.Sprintf("profile/u-%04d", 7201+i), text("street", street), text("city", s.pick(cities[at])), text("zip", s.zip()))
			s.write(s.sites[at], version(w, s.sites[at]), true)
		}
	}
	s.each(movedHouses, 3*time.Hour, time.Minute, move(euWest, "1 Old Road"))
	s.each(movedHouses, during(5), 5*time.Second, move(euWest, "2 Typing Eror Lane"))
	s.each(movedHouses, during(6), 5*time.Second, move(euWest, "2 Typing Error Lane"))
	s.each(movedHouses, during(15), 5*time.Second, move(usEast, "3 Newest Street"))
}

// bonusOnBothSides: two services read 100 points, add their own bonus and write the sum.
func (s *shop) bonusOnBothSides() {
	add := func(at, points int) func(int) {
		return func(i int) {
			s.write(s.sites[at], s.balance(s.sites[at], fmt.Sprintf("points/u-%04d", 7301+i), "balance", points), true)
		}
	}
	s.each(bonuses, 2*time.Hour, time.Minute, add(euWest, 100))
	s.each(bonuses, during(7), 5*time.Second, add(euWest, 20))
	s.each(bonuses, during(11), 5*time.Second, add(usEast, 50))
}

// banners: a job in each region sets the banner of the hour and stamps it with the hour, to the microsecond. All three
// write the same, but for the lunch, when eu-west has not got the new text. The node order decides.
func (s *shop) banners() {
	banner := func(t time.Duration, key string, texts [3]string) {
		s.at(t, func() {
			for i, words := range texts {
				w := set(key, text("text", words))
				w.rec.Time = timestamp(t)
				s.write(s.sites[i], w, true)
			}
		})
	}
	for hour := range time.Duration(24) {
		words := fmt.Sprintf("Offers of the hour: %02d", hour)
		banner(hour*time.Hour, "banner/home", [3]string{words, words, words})
	}
	banner(during(10), "banner/lunch", [3]string{"Lunch deal", "Soup of yesterday", "Lunch deal"})
}

// priceFeeds: at four, noon and eight a feed sets the prices of all goods, row by row, stamped by its schedule. At eight it
// runs twice: the machine was restored from a backup while the first one still ran, and its list was another.
func (s *shop) priceFeeds() {
	row := func(by, i int, at time.Duration, price string) {
		w := set("price/"+sku(i), history.Field{Name: "amount", Value: value.Value(price)})
		w.rec.Time = timestamp(at + time.Duration(i)*time.Microsecond)
		w.odd = at == 20*time.Hour && i < feedRows
		s.write(s.sites[by], w, false)
	}
	price := func(i, round int) string { return fmt.Sprintf("%d.%02d", 5+37*i%45, (13*i+7*round)%100) }
	for round, at := range []time.Duration{4 * time.Hour, 12 * time.Hour, 20 * time.Hour} {
		s.at(at+7*time.Second, func() {
			for i := range numGoods {
				row(feed, i, at, price(i, round))
			}
		})
	}
	s.at(20*time.Hour+9*time.Second, func() {
		for i := range feedRows {
			list := 2
			if i%4 == 0 {
				list = 9
			}
			row(feedAgain, i, 20*time.Hour, price(i, list))
		}
	})
	// Managers set prices by hand. The feed knows nothing of it.
	s.each(overrides, 14*time.Hour, 10*time.Minute, func(i int) {
		amount := history.Field{Name: "amount", Value: value.Value(fmt.Sprintf("%d.90", 9+i))}
		s.write(s.sites[i%3], set("price/"+sku(50+i), amount), true)
	})
}

// oldSystem: legacy-1 tells time in whole seconds, gives its writes no ids, and nobody declared it.
func (s *shop) oldSystem() {
	old := s.sites[legacy]
	blind := func(w *write) *write { return s.write(old, w, false) }

	// It counts what is on the shelves and writes the count: of which a counter can take no difference.
	s.each(stocktakes, 6*time.Hour, 30*time.Second, func(i int) {
		blind(set(goods(numGoods-1-i), history.Field{Name: "count", Value: value.Int(int64(150 + i))}))
	})

	// What is counted again later is less, and nothing says what was sold in between.
	s.each(recounts, 9*time.Hour, time.Minute, func(i int) {
		blind(set(goods(numGoods-1-i), history.Field{Name: "count", Value: value.Int(int64(120 + i))}))
	})

	// A van is loaded in the second in which the customer cancels.
	orders := make([]*order, lateCancels)
	s.each(lateCancels, 7*time.Hour, 10*time.Minute, func(i int) {
		c := s.customers[euWest][100+i]
		o := s.newOrder(c)
		o.warehouse = apSouth
		orders[i] = o
		s.write(s.sites[euWest], set(o.key(), text("customer", c.id), text("status", "packed")), true)
	})
	s.each(lateCancels, 7*time.Hour+8*time.Minute, 10*time.Minute, func(i int) {
		s.write(s.sites[euWest], orders[i].to("cancelled"), true)
		s.after(time.Millisecond, 50*time.Millisecond, func() { blind(set(orders[i].key(), text("status", "loaded"))) })
	})

	// Somebody leans on the scales: two weights in one second. And a report is sent twice, without an id to tell by.
	s.each(doubleWeights, 16*time.Hour, time.Minute, func(i int) {
		for _, weight := range []value.Value{"2.4", "7.9"} {
			blind(set(fmt.Sprintf("scales/%d", i+1), history.Field{Name: "weight", Value: weight})).odd = true
		}
	})
	s.each(doubleReports, 17*time.Hour, time.Minute, func(i int) {
		for range 2 {
			blind(set(fmt.Sprintf("shift/%d", i+1), text("done", s.now.Truncate(time.Minute).String()))).odd = true
		}
	})

	// It spells keys its own way.
	s.at(11*time.Hour, func() { blind(set("stock/SKU-0007", text("shelf", "B12"))) })
}

// carelessClients do small things wrong.
func (s *shop) carelessClients() {
	// A client keeps its op id and changes its mind.
	s.each(reusedIDs, 15*time.Hour, 5*time.Minute, func(i int) {
		w := s.write(s.sites[euWest], set(fmt.Sprintf("notes/%d", i+1), text("text", "Leave it at the door")), true)
		w.odd = true
		retry := w.rec
		retry.Fields = []history.Field{text("text", "Ring twice")}
		retry.Time.Wall += int64(2 * time.Second)
		s.again = append(s.again, delivery{s.now + 2*time.Second, retry})
	})
	// A relay passes a write on under its own name.
	s.each(relayedWrites, 18*time.Hour, time.Minute, func(i int) {
		w := s.write(s.sites[euWest], set(fmt.Sprintf("config/flag-%d", i+1), text("state", "on")), true)
		w.odd = true
		relayed := w.rec
		relayed.Node = s.sites[usEast].name
		s.again = append(s.again, delivery{s.now + time.Second, relayed})
	})
	// Trophies are for ever. An admin takes some back.
	s.each(takenTrophies, 19*time.Hour, time.Minute, func(i int) {
		trophy := "trophy/" + s.customers[usEast][i].id
		s.write(s.sites[usEast], change(trophy, merge.Insert, text("earned", "reviewer")), true)
		s.after(time.Second, 2*time.Second, func() {
			s.write(s.sites[usEast], change(trophy, merge.Remove, text("earned", "reviewer")), true)
		})
	})
	// An import mends zip codes and nothing else, of addresses that are to stay together.
	s.each(halfAddresses, 20*time.Hour, time.Minute, func(i int) {
		here := s.sites[usEast]
		s.write(here, version(set(fmt.Sprintf("profile/u-%04d", 7101+i), text("zip", s.zip())), here), true)
	})
	// The exporter drops a write of us-east: its number is in no record.
	s.at(21*time.Hour, func() { s.sites[usEast].wrote++ })
	// One coupon, typed on two keyboards: é is one character, or an e and an accent.
	for i, key := range []string{"coupon/caf\u00e9-10", "coupon/cafe\u0301-10"} {
		s.at(8*time.Hour+time.Duration(i)*time.Hour, func() { s.write(s.sites[1+i], set(key, text("percent", "10")), true) })
	}
}
