package replay

type identity struct{}
