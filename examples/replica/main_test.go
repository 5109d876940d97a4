package main

func Example() {
	main()
	// Output: "cancelled" stays; what came was lost by time
}
