module krarup.bench/peer

go 1.19
