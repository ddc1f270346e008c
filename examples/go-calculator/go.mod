module calculator

go 1.24
