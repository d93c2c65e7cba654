// Package e2e tests networks from outside: the program itself, several processes
// at a time, over what they serve. What it shows no test of a part can show: that
// what was acknowledged survives kills on all nodes, once; that nodes agree at
// every height; that nothing sent to a node stops the network.
//
// Package house beside it tests the repository itself.
package e2e
