// What C++ programs lean on: exceptions through libraries, streams, threads, OpenMP.
#include <iostream>
#include <map>
#include <numeric>
#include <regex>
#include <stdexcept>
#include <thread>
#include <vector>

int main() {
    std::vector<long> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 1);
    long sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (size_t i = 0; i < numbers.size(); i++) sum += numbers[i];
    std::string caught;
    std::thread([&] {
        try {
            std::map<int, int>().at(1);
        } catch (const std::out_of_range &) {
            caught = "caught";
        }
    }).join();
    std::cout << sum << " " << caught << " "
              << std::regex_match("distroless", std::regex("d.*s{2}")) << std::endl;
}
