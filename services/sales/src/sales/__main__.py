from kith.runtime.process import main
from sales.service import SERVICE

main(SERVICE)
