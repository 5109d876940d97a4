package main

import (
	"fmt"
	"strings"
)

// Nobody of these names lives at these addresses: all is put together by lot.
var (
	firstNames = strings.Fields(`Ada Amir Anouk Arjun Bea Carlo Chitra Dario Devi Elif Emil Farah Finn Greta Hana Ines Ivo Jasper
		Kavya Lena Linus Mara Milo Nadia Nils Olga Omar Pia Priya Quentin Rosa Ruben Sana Selma Tara Theo Uma Vera Wim Yara`)
	lastNames = strings.Fields(`Abendroth Ashgrove Bellweather Brightwater Castellon Dunmarsh Eastlake Fernhollow Garrowby
		Hollander Inverfield Jansdottir Kestrel Larkspur Meadowes Nightingale Oakhurst Penrose Quillfeather Ravensworth
		Silverton Thistlewood Underhill Verbeek Westerholt Yarrow`)
	streets = strings.Fields(`Harbour Mill Station Orchard Chapel Market River Garden Castle Bridge Linden Quarry Abbey Lantern Willow Foundry`)
	kinds   = strings.Fields(`Street Lane Road Square Row`)
	cities  = [3][]string{
		apSouth: {"Mumbai", "Pune", "Chennai", "Bengaluru"},
		euWest:  {"Dublin", "Lyon", "Porto", "Utrecht"},
		usEast:  {"Richmond", "Boston", "Atlanta", "Albany"},
	}
	subjects = []string{"Where is my parcel", "Wrong size", "Refund, please", "Can't log in", "Coupon not accepted", "Invoice with tax number"}
	trophies = []string{"first-order", "early-bird", "night-owl", "reviewer", "collector", "returning"}
)

// customer is somebody who buys things.
type customer struct {
	id       string
	name     string
	email    string
	home     int  // region
	newcomer bool // has yet to register
	oldApp   bool // sends no context
}

func (w *world) pick(list []string) string { return list[w.rng.IntN(len(list))] }

func (w *world) customer(number int) *customer {
	first, last := w.pick(firstNames), w.pick(lastNames)
	c := &customer{
		id:       fmt.Sprintf("u-%04d", number),
		name:     first + " " + last,
		email:    fmt.Sprintf("%s.%s.%d@example.com", strings.ToLower(first), strings.ToLower(last), number),
		newcomer: w.chance(12),
		oldApp:   w.chance(1),
	}
	switch lot := w.rng.IntN(100); {
	case lot < 25:
		c.home = apSouth
	case lot < 65:
		c.home = euWest
	default:
		c.home = usEast
	}
	return c
}

func (w *world) street() string {
	return fmt.Sprintf("%d %s %s", 1+w.rng.IntN(120), w.pick(streets), w.pick(kinds))
}

func (w *world) zip() string { return fmt.Sprintf("%05d", 10000+w.rng.IntN(89999)) }
